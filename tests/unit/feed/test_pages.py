"""The static pages: whole, self-contained and safe by what they do not contain."""

import re

import pytest

from feed import search_text
from feed.board import BOARD_NAMES
from feed.pages import FILES, load_pages
from feed.session import MOST_WATCHES
from tests.unit.feed.test_board import ORDER_KEYS

PAGES = {path: page.body.decode() for path, page in load_pages(1800.0).items()}
HTML_PATHS = [path for path, name in FILES.items() if name.endswith(".html")]
SCRIPTS = [path for path in FILES if path.endswith(".js")]


@pytest.mark.parametrize("path", HTML_PATHS)
def test_no_two_elements_share_an_id(path: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', PAGES[path])
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("path", "script"),
    [("/", "/assets/feed.js"), ("/", "/assets/card.js"), ("/ops", "/assets/ops.js")],
)
def test_every_element_a_script_asks_for_is_on_its_page(path: str, script: str) -> None:
    wanted = re.findall(r'(?:\$|getElementById)\("([^"]+)"\)', PAGES[script])
    assert wanted
    assert [name for name in wanted if f'id="{name}"' not in PAGES[path]] == []


def test_every_icon_that_is_used_exists() -> None:
    used = set(re.findall(r'"#(icon-[a-z]+)"', PAGES["/"] + PAGES["/assets/card.js"]))
    links = re.findall(r'\["\w+", "(\w+)", "\w+"\]', PAGES["/assets/card.js"])
    assert used | {f"icon-{name}" for name in links} <= set(
        re.findall(r'<symbol id="([^"]+)"', PAGES["/"])
    )
    assert len(links) == 3


@pytest.mark.parametrize("path", HTML_PATHS)
def test_a_page_loads_only_files_that_are_served(path: str) -> None:
    loaded = re.findall(r'(?:src|href)="(/assets/[^"]+)"', PAGES[path])
    assert loaded
    assert set(loaded) <= FILES.keys()


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_script_imports_only_files_that_are_served(path: str) -> None:
    imported = re.findall(r'from "\./([^"]+)"', PAGES[path])
    assert {f"/assets/{name}" for name in imported} <= FILES.keys()


@pytest.mark.parametrize("path", HTML_PATHS)
def test_nothing_stands_in_line_that_the_policy_would_forbid(path: str) -> None:
    assert re.findall(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=", PAGES[path]) == []


@pytest.mark.parametrize("path", SCRIPTS)
def test_no_script_turns_text_into_markup(path: str) -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function"
    assert re.findall(markup, PAGES[path]) == []


def test_the_page_orders_the_boards_as_the_server_does() -> None:
    boards = re.findall(r'^  (\w+): \{.*\bkey: "(\w+)"', PAGES["/assets/board.js"], re.MULTILINE)
    assert dict(boards) == ORDER_KEYS
    assert tuple(ORDER_KEYS) == BOARD_NAMES


def test_the_page_watches_no_more_than_the_server_lets_it() -> None:
    assert f"const MOST_WATCHES = {MOST_WATCHES};" in PAGES["/assets/feed.js"]


def test_the_feed_page_knows_how_heat_decays() -> None:
    assert '<meta name="half-life-seconds" content="1800">' in PAGES["/"]
    assert '<meta name="landmark-seconds" content="1735689600">' in PAGES["/"]


def test_the_page_leaves_out_the_same_invisible_characters_as_the_service() -> None:
    (written,) = re.findall(r"const INVISIBLE = /(.+)/g;", PAGES["/assets/search_text.js"])
    assert written.encode().decode("unicode_escape") == search_text._INVISIBLE.pattern
