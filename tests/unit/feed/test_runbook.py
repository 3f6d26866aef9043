"""The runbook as a page, and the little of Markdown that it is written in."""

import re

import pytest

from feed.markdown import make_anchor, render_markdown
from feed.runbook import FILE, load_runbook

PAGE = load_runbook().body.decode()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A title", '<h1 id="a-title">A title</h1>'),
        ("one\ntwo", "<p>one two</p>"),
        ("- one\n  more\n- two", "<ul><li>one more</li><li>two</li></ul>"),
        ("`a < b` **bold**", "<p><code>a &lt; b</code> <strong>bold</strong></p>"),
        ("[here](#there)", '<p><a href="#there">here</a></p>'),
        ("[x](https://x.example/?a=b&c)", '<p><a href="https://x.example/?a=b&amp;c">x</a></p>'),
        ("[providers.md](providers.md)", "<p><code>providers.md</code></p>"),
        ("[x](javascript:alert(1))", "<p><code>x</code>)</p>"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("```console\n$ a | b\n```", '<pre tabindex="0">$ a | b</pre>'),
    ],
)
def test_markdown_becomes_html_and_all_else_stays_text(text: str, html: str) -> None:
    assert html == render_markdown(text)


def test_a_table_has_a_head_and_its_rows() -> None:
    html = render_markdown("| a | b |\n|---|--:|\n| 1 | `x` |")
    assert '<th scope="col">a</th><th scope="col">b</th>' in html
    assert "<tr><td>1</td><td><code>x</code></td></tr>" in html


def test_every_section_of_the_runbook_has_its_anchor_and_every_link_leads_to_one() -> None:
    titles = re.findall(r"^#+ (.+)$", FILE.read_text(encoding="utf-8"), re.M)
    anchors = re.findall(r'<h\d id="([^"]+)">', PAGE)
    assert [make_anchor(title) for title in titles] == anchors
    assert set(re.findall(r'href="#([^"]+)"', PAGE)) <= set(anchors)


def test_nothing_of_the_markup_is_left_over() -> None:
    text = re.sub(r"<pre.*?</pre>|<code>.*?</code>", "", PAGE, flags=re.S)
    assert [] == re.findall(r"^#|\*\*|`|\]\(|^\|", text, re.M)
