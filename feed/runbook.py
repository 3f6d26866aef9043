"""The runbook as a page for operators, made once at the start.

docs/runbook.md  ->  load_runbook  ->  /ops/runbook, where the problems of /ops lead

It stands beside the rooms, in the repository as in an installation (setup.py).
"""

from pathlib import Path

from feed.document_page import make_document_page
from feed.markdown import render_markdown
from feed.pages import Page

RUNBOOK_PATH = "/ops/runbook"
FILE = Path(__file__).parents[1] / "docs" / "runbook.md"

LINKS = '<a href="/ops">Operations</a>'


def load_runbook() -> Page:
    """The whole runbook, with an anchor a section."""
    body = render_markdown(FILE.read_text(encoding="utf-8"))
    return make_document_page(title="Runbook", brand="Runbook", links=LINKS, body=body)
