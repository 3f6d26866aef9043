"""The description of the interface, for programs and for people, made once at the start.

    make_openapi, make_asyncapi  ->  /openapi.json, /asyncapi.json, /docs, /llms.txt

The page is plain HTML without a script, so that the content security policy of the others holds.
/llms.txt is for programs that read before they ask: Markdown in the form of llmstxt.org.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import orjson

from feed.api_errors import CLOSE_CODES, ERROR_CODES
from feed.api_schemas import refer_to
from feed.asyncapi import COMMANDS, MESSAGES, make_asyncapi
from feed.document_page import make_document_page
from feed.http import JSON_TYPE
from feed.item_fields import ITEM_FIELDS
from feed.openapi import make_openapi
from feed.pages import CONTENT_TYPES, Page, make_page

LINKS = '<a href="/openapi.json">OpenAPI</a> <a href="/asyncapi.json">AsyncAPI</a>'


def load_documents() -> Mapping[str, Page]:
    """The documents by their paths."""
    openapi, asyncapi = make_openapi(), make_asyncapi()
    body = "\n".join(_write_page(openapi, asyncapi))
    return {
        "/openapi.json": make_page(JSON_TYPE, orjson.dumps(openapi)),
        "/asyncapi.json": make_page(JSON_TYPE, orjson.dumps(asyncapi)),
        "/docs": make_document_page(title="Interface", brand="API", links=LINKS, body=body),
        "/llms.txt": make_page(CONTENT_TYPES[".txt"], _write_summary(openapi, asyncapi).encode()),
    }


def _write_summary(openapi: Mapping[str, Any], asyncapi: Mapping[str, Any]) -> str:
    operations = (
        (method.upper(), path, operation["summary"])
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
        if "operators" not in operation["tags"]
    )
    lines = [
        f"# {openapi['info']['title']}",
        f"> {openapi['info']['description']}",
        "## Interface",
        "- [OpenAPI](/openapi.json): every route, parameter and answer over HTTP",
        "- [AsyncAPI](/asyncapi.json): every message of the WebSocket at /ws",
        "- [Both as a page](/docs): with every key of an item, its unit and its source",
        "## HTTP",
        *(f"- `{method} {path}`: {summary}" for method, path, summary in operations),
        "## WebSocket",
        asyncapi["info"]["description"],
        *(f"- `{orjson.dumps(said).decode()}`: {text}" for text, said in COMMANDS.values()),
        "## Not told by any free source",
        "Snipers, bundles, insiders, and who has paid for a profile (dexPaid): no key has them.",
    ]
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"


def _write_page(openapi: Mapping[str, Any], asyncapi: Mapping[str, Any]) -> Iterator[str]:
    yield "<h1>What clients may ask</h1>"
    yield f"<p>{escape(openapi['info']['description'])}</p>"
    yield '<p><a href="#http">HTTP</a> · <a href="#socket">WebSocket</a> · '
    yield '<a href="#item">An item</a> · <a href="#errors">Errors</a></p>'
    yield '<h2 id="http">HTTP</h2>'
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield from _write_operation(method, path, operation)
    yield '<h2 id="socket">WebSocket: <code>/ws</code></h2>'
    yield f"<p>{escape(asyncapi['info']['description'])}</p>"
    for heading, messages in (("A client says", COMMANDS), ("The service says", MESSAGES)):
        yield f"<h3>{heading}</h3>"
        rows = [
            (_code(orjson.dumps(example).decode()), text) for text, example in messages.values()
        ]
        yield from _write_table(("message", "meaning"), rows)
    yield '<h2 id="item">An item</h2>'
    fields = (
        (_code(f.key), f.type_name, f.unit, f.source.replace("`", ""), f.meaning.replace("`", ""))
        for f in ITEM_FIELDS.values()
    )
    yield from _write_table(("key", "type", "unit", "source", "meaning"), fields)
    yield '<h2 id="errors">Errors</h2>'
    codes = [(str(status), _code(", ".join(each))) for status, each in ERROR_CODES.items()]
    yield from _write_table(("status", "codes"), codes)
    yield from _write_table(
        ("close code", "meaning"), [(str(c), m) for c, m in CLOSE_CODES.items()]
    )


def _write_operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3><span class="method">{method}</span><code>{escape(path)}</code></h3>'
    whose = ", for operators" if "operators" in operation["tags"] else ""
    yield f"<p>{escape(operation['summary'])}{whose}</p>"
    if parameters := operation.get("parameters"):
        rows = (
            (
                _code(each["name"]),
                each["in"],
                _describe(each["schema"]),
                each.get("description", ""),
            )
            for each in parameters
        )
        yield from _write_table(("parameter", "in", "value", "meaning"), rows)
    answers = (
        (status, escape(response["description"]))
        for status, response in operation["responses"].items()
    )
    told = ", ".join(f"{status}: {text}" for status, text in answers if status < "400")
    yield f"<p>{told}</p>"


def _describe(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema == refer_to("Mint"):
        return "mint"
    if schema.get("type") == "array":
        return f"list of {_describe(schema['items'])}"
    bounds = [
        f"{name} {schema[name]}" for name in ("minimum", "maximum", "default") if name in schema
    ]
    return ", ".join([str(schema.get("type", "")), *bounds])


class _Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _code(text: str) -> _Markup:
    return _Markup(f"<code>{escape(text)}</code>")


def _write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead><tbody>"
    for row in rows:
        cells = (cell if isinstance(cell, _Markup) else escape(cell) for cell in row)
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></div>"
