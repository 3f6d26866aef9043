"""The static pages: whole, self-contained and safe by what they do not contain."""

import re
from hashlib import sha256
from importlib.resources import files

import pytest

from domain.launchpads import LAUNCHPADS
from domain.operations import SERIES
from feed import search_text
from feed.board import BOARD_NAMES
from feed.orders import ORDERS
from feed.pages import FILES, MINT_PAGE, load_pages
from feed.pages.vendor import DIGESTS
from feed.session import MOST_WATCHES
from tests.unit.feed.test_board import ORDER_KEYS

PAGES = {
    path: page.body.decode()
    for path, page in load_pages(1800.0).items()
    if not page.content_type.startswith("image/png")
}
HTML_PATHS = [path for path, name in FILES.items() if name.endswith(".html")]
VENDOR = "/assets/vendor/"
SCRIPTS = [path for path in FILES if path.endswith(".js") and not path.startswith(VENDOR)]


@pytest.mark.parametrize("path", HTML_PATHS)
def test_no_two_elements_share_an_id(path: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', PAGES[path])
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("path", "script"),
    [
        ("/", "/assets/feed.js"),
        ("/", "/assets/card.js"),
        ("/", "/assets/column.js"),
        ("/", "/assets/filter_panel.js"),
        ("/", "/assets/layout_panel.js"),
        ("/", "/assets/keys.js"),
        ("/ops", "/assets/ops.js"),
        (MINT_PAGE, "/assets/token.js"),
    ],
)
def test_every_element_a_script_asks_for_is_on_its_page(path: str, script: str) -> None:
    wanted = re.findall(r'(?:\$|getElementById)\("([^"]+)"\)', PAGES[script])
    assert wanted
    assert [name for name in wanted if f'id="{name}"' not in PAGES[path]] == []


def test_every_icon_that_is_used_exists() -> None:
    used = set(re.findall(r'href="#(icon-[a-z]+)"', PAGES["/"]))
    assert used == set(re.findall(r'<symbol id="([^"]+)"', PAGES["/"]))


def test_every_icon_of_a_card_is_cut_from_its_place_in_the_picture() -> None:
    drawn = re.findall(r'<g id="(\w+)"', PAGES["/assets/card_icons.svg"])
    cut = re.findall(r"background-position: (?:-(\d+)px|0) 0;", PAGES["/assets/card.css"])
    # The first is cut where nothing else is said.
    assert sorted(16 * place for place in range(1, len(drawn))) == sorted(map(int, cut))


def test_every_part_a_card_writes_to_is_in_its_template() -> None:
    (parts,) = re.findall(r'const PARTS = "(.+)"\.split', PAGES["/assets/card.js"])
    names = {name for each in re.findall(r'class="([^"]+)"', PAGES["/"]) for name in each.split()}
    assert [part for part in parts.split() if part not in names] == []


@pytest.mark.parametrize("path", HTML_PATHS)
def test_a_page_loads_only_files_that_are_served(path: str) -> None:
    loaded = re.findall(r'(?:src|href)="(/assets/[^"]+)"', PAGES[path])
    assert loaded
    assert set(loaded) <= FILES.keys()


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_script_imports_only_files_that_are_served(path: str) -> None:
    imported = re.findall(r'(?:from |import\()"\./([^"]+)"', PAGES[path])
    assert {f"/assets/{name}" for name in imported} <= FILES.keys()


@pytest.mark.parametrize("path", HTML_PATHS)
def test_nothing_stands_in_line_that_the_policy_would_forbid(path: str) -> None:
    assert re.findall(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=", PAGES[path]) == []


@pytest.mark.parametrize("path", SCRIPTS)
def test_no_script_turns_text_into_markup(path: str) -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function"
    assert re.findall(markup, PAGES[path]) == []


def test_the_page_orders_the_boards_as_the_server_does() -> None:
    boards = re.findall(r"^  (\w+): \{ title.*\blists", PAGES["/assets/board.js"], re.M)
    (keys,) = re.findall(r"SORT_KEYS = \{(.+?)^\};", PAGES["/assets/client.js"], re.M | re.S)
    sort_keys = dict(re.findall(r'^  (\w+): "(\w+)"', keys, re.M))
    assert {board: sort_keys[board] for board in boards} == ORDER_KEYS
    assert tuple(ORDER_KEYS) == BOARD_NAMES
    assert sort_keys.keys() == ORDERS.keys()


def test_the_page_knows_every_order_of_the_feed() -> None:
    (orders,) = re.findall(
        r"export const SORTS = \{(.+?)^\};", PAGES["/assets/board.js"], re.M | re.S
    )
    assert set(re.findall(r"^  (\w+):", orders, re.MULTILINE)) == ORDERS.keys()


def test_the_page_offers_every_launchpad() -> None:
    (pads,) = re.findall(r"const PADS = \[(.+)\];", PAGES["/assets/settings.js"])
    assert [*LAUNCHPADS] == re.findall(r'\["([^"]+)", ', pads)


def test_every_series_of_the_history_has_its_place_in_a_chart() -> None:
    drawn = re.findall(r'\["[a-z]+", "(\w+)", "', PAGES["/assets/ops_history.js"])
    assert sorted(SERIES) == sorted(drawn)


def test_the_page_watches_no_more_than_the_server_lets_it() -> None:
    assert f"const MOST_WATCHES = {MOST_WATCHES};" in PAGES["/assets/feed.js"]


def test_the_feed_page_knows_how_heat_decays() -> None:
    assert '<meta name="half-life-seconds" content="1800">' in PAGES["/"]
    assert '<meta name="landmark-seconds" content="1735689600">' in PAGES["/"]


def test_the_page_leaves_out_the_same_invisible_characters_as_the_service() -> None:
    (written,) = re.findall(r"const INVISIBLE = /(.+)/g;", PAGES["/assets/search_text.js"])
    assert written.encode().decode("unicode_escape") == search_text._INVISIBLE.pattern


def test_scripts_are_told_the_links_of_the_settings() -> None:
    links = [("Elsewhere", "https://elsewhere.example/{mint}?a=b&c")]
    script = load_pages(1800.0, links)["/assets/links.js"].body.decode()
    assert 'LINKS = [["Elsewhere","https://elsewhere.example/{mint}?a=b&c"]];' in script


@pytest.mark.parametrize("name", DIGESTS)
def test_a_library_of_others_is_as_it_was_published_and_has_its_licence(name: str) -> None:
    library = files("feed.pages.vendor").joinpath(name).read_bytes()
    assert DIGESTS[name] == sha256(library).hexdigest()
    assert f"{VENDOR}{name}" in FILES
    assert f"{VENDOR}{name.removesuffix('.js')}.LICENSE.txt" in FILES
