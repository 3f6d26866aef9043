"""The runbook as a page for operators, made once at the start.

docs/runbook.md  ->  load_runbook  ->  /ops/runbook, where the problems of /ops lead

It stands beside the rooms, in the repository as in an installation (setup.py).
"""

from pathlib import Path

from feed.markdown import render_markdown
from feed.pages import CONTENT_TYPES, Page, make_page

RUNBOOK_PATH = "/ops/runbook"
FILE = Path(__file__).parents[1] / "docs" / "runbook.md"

HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="dark light">
  <title>Runbook · Token discovery</title>
  <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/common.css">
  <link rel="stylesheet" href="/assets/docs.css">
</head>
<body>
  <header class="top">
    <a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28">Runbook</a>
    <nav class="elsewhere"><a href="/ops">Operations</a></nav>
  </header>
  <main>
"""


def load_runbook() -> Page:
    """The whole runbook, with an anchor a section."""
    body = render_markdown(FILE.read_text(encoding="utf-8"))
    return make_page(CONTENT_TYPES[".html"], f"{HEAD}{body}\n</main></body></html>\n".encode())
