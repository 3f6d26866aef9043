"""Markdown as this repository's documents use it, as HTML. Pure.

    docs/runbook.md  ->  render_markdown  ->  feed/runbook.py

Headings, paragraphs, flat lists, tables, fenced code, and in a line code, bold and links. All of a
text is escaped first; a heading's anchor is made as GitHub makes it. A link leads within the
document or to another site; one to another file of the repository is shown as the file's name.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape

HEADING = re.compile(r"(#{1,4}) (.+)")
CODE = re.compile(r"(`[^`]+`)")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
BOLD = re.compile(r"\*\*(.+?)\*\*")
FENCE, ITEM, ROW, RULE = "```", "- ", "|", re.compile(r"\|[-|: ]+\|")


def render_markdown(text: str) -> str:
    """The document's body as HTML."""
    return "\n".join(_render_blocks(text.splitlines()))


def make_anchor(title: str) -> str:
    """The anchor of a heading: lower case, words joined by hyphens, no other punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _render_blocks(lines: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if heading := HEADING.fullmatch(line):
            level, title = len(heading[1]), heading[2]
            yield f'<h{level} id="{make_anchor(title)}">{_render_line(title)}</h{level}>'
            at += 1
        elif line.startswith(FENCE):
            end = lines.index(FENCE, at + 1)
            yield f'<pre tabindex="0">{escape(chr(10).join(lines[at + 1 : end]))}</pre>'
            at = end + 1
        elif line.startswith(ROW):
            end = _find_end(lines, at, ROW)
            yield from _render_table(lines[at:end])
            at = end
        elif line.strip():
            end = _find_end(lines, at)
            yield from _render_text(lines[at:end])
            at = end
        else:
            at += 1


def _find_end(lines: Sequence[str], at: int, beginning: str = "") -> int:
    """The first line after `at` that is blank, or begins otherwise."""
    while at < len(lines) and lines[at].strip() and lines[at].startswith(beginning):
        at += 1
    return at


def _render_text(lines: Sequence[str]) -> Iterator[str]:
    """A paragraph, or a list where the first line begins one."""
    if not lines[0].startswith(ITEM):
        yield f"<p>{_render_line(' '.join(lines))}</p>"
        return
    items: list[str] = []
    for line in lines:
        if line.startswith(ITEM):
            items.append(line.removeprefix(ITEM))
        else:
            items[-1] += f" {line.strip()}"
    yield f"<ul>{''.join(f'<li>{_render_line(item)}</li>' for item in items)}</ul>"


def _render_table(lines: Sequence[str]) -> Iterator[str]:
    head, *rows = [_split_row(line) for line in lines if not RULE.fullmatch(line)]
    names = "".join(f'<th scope="col">{_render_line(cell)}</th>' for cell in head)
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(head[0])}">'
    yield f"<table><thead><tr>{names}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_render_line(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div>"


def _split_row(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip(ROW).split(ROW)]


def _render_line(text: str) -> str:
    parts = CODE.split(text)  # every second one is code
    return "".join(
        f"<code>{escape(part[1:-1])}</code>" if number % 2 else _render_words(part)
        for number, part in enumerate(parts)
    )


def _render_words(text: str) -> str:
    linked = LINK.sub(_render_link, escape(text))
    return BOLD.sub(r"<strong>\1</strong>", linked)


def _render_link(link: re.Match[str]) -> str:
    words, address = link[1], link[2]
    if address.startswith(("#", "https://")):
        return f'<a href="{address}">{words}</a>'
    return f"<code>{words}</code>"
