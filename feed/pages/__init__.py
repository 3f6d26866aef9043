"""The static pages, read once: `/`, `/ops` and what they load.

No framework, no build step, nothing from elsewhere: the content security policy allows the
page's own origin only. Strings of tokens are hostile and only ever become text nodes.
"""

import gzip
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files

from attrs import frozen

from domain.scoring import LANDMARK
from feed.fields import GZIP, IDENTITY

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = {
    "/": "feed.html",
    "/ops": "ops.html",
    "/assets/common.css": "common.css",
    "/assets/feed.css": "feed.css",
    "/assets/feed.js": "feed.js",
    "/assets/board.js": "board.js",
    "/assets/card.js": "card.js",
    "/assets/course.js": "course.js",
    "/assets/picture.js": "picture.js",
    "/assets/sight.js": "sight.js",
    "/assets/search_text.js": "search_text.js",
    "/assets/health.js": "health.js",
    "/assets/live.js": "live.js",
    "/assets/ops.css": "ops.css",
    "/assets/ops.js": "ops.js",
    "/assets/sources.js": "sources.js",
    "/assets/activity.js": "activity.js",
    "/assets/charts.js": "charts.js",
    "/assets/icon.svg": "icon.svg",
}


@frozen
class Page:
    """One file, plain and compressed."""

    content_type: str
    body: bytes
    compressed: bytes
    tags: Mapping[str, str]  # entity tags by content coding: each is a representation of its own


def load_pages(half_life_seconds: float) -> Mapping[str, Page]:
    """Read every page, by its path; the feed page is told the half-life of hot scores."""
    return {path: _load_page(name, half_life_seconds) for path, name in FILES.items()}


def _load_page(name: str, half_life_seconds: float) -> Page:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    text = text.replace("{half_life_seconds}", f"{half_life_seconds:g}")
    body = text.replace("{landmark_seconds}", f"{LANDMARK:.0f}").encode()
    suffix = name[name.rindex(".") :]
    digest = sha256(body).hexdigest()[:16]
    tags = {IDENTITY: f'"{digest}"', GZIP: f'"{digest}-gzip"'}
    return Page(CONTENT_TYPES[suffix], body, gzip.compress(body, mtime=0), tags)
