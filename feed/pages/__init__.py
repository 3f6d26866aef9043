"""The static pages, read once: `/`, `/ops`, that of a token, and what they load.

No framework, no build step, nothing from elsewhere: the content security policy allows the
page's own origin only. Strings of tokens are hostile and only ever become text nodes.
"""

import gzip
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files

import orjson
from attrs import frozen

from domain.scoring import LANDMARK
from feed.fields import GZIP, IDENTITY

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
MINT_PAGE = "/token/"  # the mint follows
NO_MINT_PAGE = "/token/404"  # which is no mint
FILES = {
    "/": "feed.html",
    "/ops": "ops.html",
    "/offline": "offline.html",
    "/manifest.webmanifest": "manifest.webmanifest",
    "/service_worker.js": "service_worker.js",
    "/assets/offline.css": "offline.css",
    "/assets/offline.js": "offline.js",
    "/assets/icon-192.png": "icon_192.png",
    "/assets/icon-512.png": "icon_512.png",
    "/assets/common.css": "common.css",
    "/assets/feed.css": "feed.css",
    "/assets/card.css": "card.css",
    "/assets/panels.css": "panels.css",
    "/assets/feed.js": "feed.js",
    "/assets/board.js": "board.js",
    "/assets/card.js": "card.js",
    "/assets/course.js": "course.js",
    "/assets/picture.js": "picture.js",
    "/assets/column.js": "column.js",
    "/assets/connection.js": "connection.js",
    "/assets/heat.js": "heat.js",
    "/assets/filter_panel.js": "filter_panel.js",
    "/assets/keys.js": "keys.js",
    "/assets/layout_panel.js": "layout_panel.js",
    "/assets/open_token.js": "open_token.js",
    "/assets/polled.js": "polled.js",
    "/assets/settings.js": "settings.js",
    "/assets/tabs.js": "tabs.js",
    "/assets/search_text.js": "search_text.js",
    "/assets/health.js": "health.js",
    "/assets/live.js": "live.js",
    "/assets/client.js": "client.js",  # a link to clients/js (docs/decisions/0030)
    "/assets/ops.css": "ops.css",
    "/assets/ops.js": "ops.js",
    "/assets/ops_problems.js": "ops_problems.js",
    "/assets/ops_graph.js": "ops_graph.js",
    "/assets/ops_history.js": "ops_history.js",
    "/assets/ops_events.js": "ops_events.js",
    "/assets/ops_overview.css": "ops_overview.css",
    "/assets/sources.js": "sources.js",
    "/assets/quarantine.js": "quarantine.js",
    "/assets/activity.js": "activity.js",
    "/assets/charts.js": "charts.js",
    "/assets/docs.css": "docs.css",
    "/assets/quotes.js": "quotes.js",
    "/assets/icon.svg": "icon.svg",
    MINT_PAGE: "token.html",
    NO_MINT_PAGE: "no_token.html",
    "/assets/token.css": "token.css",
    "/assets/token.js": "token.js",
    "/assets/token_panel.js": "token_panel.js",
    "/assets/token_view.js": "token_view.js",
    "/assets/token_sections.js": "token_sections.js",
    "/assets/token_trades.js": "token_trades.js",
    "/assets/token_parts.js": "token_parts.js",
    "/assets/token_words.js": "token_words.js",
    "/assets/token_source.js": "token_source.js",
    "/assets/token_chart.js": "token_chart.js",
    "/assets/links.js": "links.js",
    "/assets/alerts.js": "alerts.js",
    "/assets/alert_rules.js": "alert_rules.js",
    "/assets/alerts.css": "alerts.css",
    "/assets/vendor/lightweight_charts.js": "vendor/lightweight_charts.js",
    "/assets/vendor/lightweight_charts.LICENSE.txt": "vendor/lightweight_charts.LICENSE.txt",
    "/assets/card_icons.svg": "card_icons.svg",
}


@frozen
class Page:
    """One file, plain and compressed."""

    content_type: str
    body: bytes
    compressed: bytes
    tags: Mapping[str, str]  # entity tags by content coding: each is a representation of its own


Links = Sequence[tuple[str, str]]  # to other sites, by name: a template of an address


def load_pages(half_life_seconds: float, links: Links = ()) -> Mapping[str, Page]:
    """Read every page, by its path.

    They are told the half-life of hot scores, and the links to other sites.
    """
    known = {
        "{half_life_seconds}": f"{half_life_seconds:g}",
        "{landmark_seconds}": f"{LANDMARK:.0f}",
        '"{links}"': orjson.dumps(links).decode(),  # of a script
    }
    return {path: _load_page(name, known) for path, name in FILES.items()}


def _load_page(name: str, known: Mapping[str, str]) -> Page:
    body = files(__package__).joinpath(name).read_bytes()
    for place, value in known.items():
        body = body.replace(place.encode(), value.encode())
    suffix = name[name.rindex(".") :]
    return make_page(CONTENT_TYPES[suffix], body)


def make_page(content_type: str, body: bytes) -> Page:
    """A page that does not change while the service runs."""
    digest = sha256(body).hexdigest()[:16]
    tags = {IDENTITY: f'"{digest}"', GZIP: f'"{digest}-gzip"'}
    return Page(content_type, body, gzip.compress(body, mtime=0), tags)
