"""What is written for people is a page without a script, in one frame: /docs, /ops/runbook."""

from feed.pages import CONTENT_TYPES, Page, make_page

FRAME = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="dark light">
  <title>{title} · Token discovery</title>
  <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/common.css">
  <link rel="stylesheet" href="/assets/docs.css">
</head>
<body>
  <header class="top">
    <a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28">{brand}</a>
    <nav class="elsewhere">{links}</nav>
  </header>
  <main>
{body}
</main></body></html>
"""


def make_document_page(*, title: str, brand: str, links: str, body: str) -> Page:
    """The page; all are HTML, `links` stand at its top."""
    page = FRAME.format(title=title, brand=brand, links=links, body=body)
    return make_page(CONTENT_TYPES[".html"], page.encode())
