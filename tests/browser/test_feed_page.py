"""The feed page in Chromium: what a reader sees, does and shares."""

import json
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, WebSocketRoute, expect

from domain.token import Token
from domain.values import UnixSeconds, Usd
from tests.browser.browser import act, browse
from tests.browser.markets import Market, listed_token, open_market
from tests.unit.feed.tokens import mint_of
from tests.unit.feed.worlds import Away

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
# By WCAG 2.2 AA, targets of 24 px included, and what axe holds to be good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
# Parts of a line that reach beyond their card, or into what stands beside them there.
WIDER_THAN_THEIR_CARD = """() => [...document.querySelectorAll(".card")].flatMap((card) => {
  const right = card.getBoundingClientRect().right;
  const parts = [...card.querySelectorAll(".numbers dd, .safety dd, .cap, .sides, .changes")];
  return parts.filter((part) => part.getBoundingClientRect().right > right)
    .map((part) => part.textContent);
})"""
HOSTILE_LINKS = {
    "twitter": "javascript:document.title=3",
    "telegram": "data:text/html,<script>document.title=4</script>",
    "website": "https://coin.example/?<b>",
}


def card(page: Page, token: Token, board: str) -> Any:
    return page.locator(f'#board-{board} .card[data-mint="{token.mint}"]')


def sees(page: Page, market: Market) -> None:
    page.goto(market.url)
    page.wait_for_selector(".card")


async def test_a_change_is_on_the_page_and_the_card_moves_to_its_place() -> None:
    async with open_market(9) as market:
        first, last = market.tokens[0], market.tokens[6]  # of the board of graduating tokens

        def visit(page: Page) -> None:
            sees(page, market)
            expect(page.locator("#board-graduating .cap").first).to_have_text("$10K")
            risen = attrs.evolve(last, bonding_curve_progress=99.0, market_cap_usd=Usd(77_000.0))
            act(market.world.publish, risen)
            place = card(page, last, "graduating")
            expect(place).to_have_attribute("aria-posinset", "1")
            expect(place.locator(".cap")).to_have_text("$77K")
            expect(place.locator(".percent")).to_have_text("99%")
            expect(card(page, first, "graduating")).to_have_attribute("aria-posinset", "2")

        await browse(visit)


async def test_a_card_tells_all_that_is_known() -> None:
    async with open_market(1) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            text = page.locator("#board-graduating .card").inner_text()
            shown = text.replace("\n", " ")
            for figure in (
                "COIN1",
                "$10K",
                "+1.5%",
                "12",
                "5",
                "$372",
                "$8K",
                "77",
                "23.4%",
                "4.5%",
            ):
                assert figure in shown
            title = page.locator("#board-graduating .dev").get_attribute("title")
            assert title == "The developer holds 4.5%, and bought for ◎1.47 at birth"

        await browse(visit)


async def test_names_and_links_that_are_hostile_become_text_or_nothing() -> None:
    async with open_market() as market:
        hostile = listed_token(3, symbol=HOSTILE, name=HOSTILE * 20, **HOSTILE_LINKS)
        await market.list_tokens(hostile)

        def visit(page: Page) -> None:
            dialogs: list[str] = []
            page.on("dialog", lambda dialog: dialogs.append(dialog.message))
            sees(page, market)
            place = card(page, hostile, "new")
            expect(place.locator(".open")).to_have_text(HOSTILE)
            assert 0 == place.locator("script, img[src=x]").count()
            assert [] == dialogs
            assert "Token discovery" == page.title()
            expect(place.locator(".twitter")).to_be_hidden()
            expect(place.locator(".telegram")).to_be_hidden()
            website = place.locator(".website")
            assert "https://coin.example/?%3Cb%3E" == website.get_attribute("href")
            assert "noopener" in (website.get_attribute("rel") or "")
            box = place.bounding_box()
            assert box is not None
            assert box["height"] == 132

        await browse(visit)


# Filters, orders and columns: in the address, and back.


def serve_views(asked: list[Any], socket: WebSocketRoute) -> None:
    """Answer views with one token that the service does not have; all else is the service's."""
    server = socket.connect_to_server()

    def answer(message: str | bytes) -> None:
        frame = json.loads(message)
        if "view" not in frame:
            server.send(message)
            return
        asked.append(frame["view"])
        board = f"view:{len(asked)}"
        item = {"mint": mint_of(4711), "symbol": "VIEWED", "firstSeenAt": "2026-01-01T00:00:00Z"}
        socket.send(json.dumps({"type": "view", "id": frame["id"], "board": board}))
        place = {"board": board, "epoch": "e", "offset": 0}
        socket.send(json.dumps({"type": "snapshot", **place, "items": [item]}))

    socket.on_message(answer)


def set_filters(page: Page, board: str) -> None:
    page.locator(f"#board-{board} .edit").click()
    page.get_by_label("Volume, 1h, $").fill("500")
    page.get_by_label("Age, to, minutes").fill("30")
    page.get_by_role("checkbox", name="pump.fun").check()
    page.get_by_label("Order by").select_option("volume")
    page.get_by_role("button", name="Show", exact=True).click()


async def test_filters_go_to_the_service_and_the_address_and_back_undoes_them() -> None:
    async with open_market(9) as market:
        asked: list[Any] = []

        def visit(page: Page) -> None:
            page.route_web_socket("**/ws", partial(serve_views, asked))
            sees(page, market)
            set_filters(page, "new")
            expect(page.locator("#board-new .open")).to_have_text("VIEWED")
            expect(page.locator("#board-new .edit b")).to_have_text("3")
            given = parse_qs(urlsplit(page.url).query)
            assert {
                "new.minVolume1h": ["500"],
                "new.maxAge": ["30"],
                "new.launchpad": ["pumpfun"],
                "new.sort": ["volume"],
            } == given
            page.reload()
            expect(page.locator("#board-new .open")).to_have_text("VIEWED")
            page.locator("#board-new .edit").click()
            expect(page.get_by_label("Volume, 1h, $")).to_have_value("500")
            page.keyboard.press("Escape")
            page.go_back()
            expect(page.locator("#board-new .card")).to_have_count(3)
            assert "" == urlsplit(page.url).query

        await browse(visit)
        wanted = {
            "boards": ["new"],
            "filters": {"maxAge": 30, "minVolume1h": 500, "launchpad": "pumpfun"},
            "sort": "volume",
            "limit": 100,
        }
        assert [wanted, wanted] == asked


def refuse_views(socket: WebSocketRoute) -> None:
    server = socket.connect_to_server()

    def answer(message: str | bytes) -> None:
        if "view" in json.loads(message):
            refusal = {"type": "error", "code": "too_many_views", "message": "there are enough"}
            refusal["id"] = json.loads(message)["id"]
            socket.send(json.dumps(refusal))
        else:
            server.send(message)

    socket.on_message(answer)


async def test_a_view_that_the_service_refuses_is_told_of_in_its_column_alone() -> None:
    async with open_market(9) as market:

        def visit(page: Page) -> None:
            page.route_web_socket("**/ws", refuse_views)
            page.goto(f"{market.url}/?new.minHolders=5")
            told = page.locator("#board-new .empty")
            expect(told).to_have_text("The service does not serve this view: there are enough")
            expect(page.locator("#board-hot .card")).not_to_have_count(0)
            page.locator("#board-new .edit").click()
            page.get_by_role("button", name="Clear").click()
            page.get_by_role("button", name="Show", exact=True).click()
            expect(page.locator("#board-new .card")).to_have_count(3)
            expect(told).to_be_hidden()

        await browse(visit)


async def test_columns_are_hidden_ordered_and_shared_by_the_address() -> None:
    async with open_market(9) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            page.get_by_role("button", name="Columns and density").click()
            page.get_by_role("checkbox", name="Bonded").uncheck()
            page.get_by_role("button", name="Hot further to the left").click()
            page.get_by_text("Compact").click()
            page.keyboard.press("Escape")
            shared = page.url
            page.goto("about:blank")
            page.evaluate("0")
            page.goto(shared)
            titles = page.locator(".board h2")
            expect(titles).to_have_text(["New", "Hot", "Graduating"])
            expect(page.locator("html")).to_have_attribute("data-density", "compact")

        await browse(visit)


async def test_presets_are_kept_and_given_ones_fill_the_panel() -> None:
    async with open_market(3) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            page.locator("#board-hot .edit").click()
            page.locator("#preset").select_option("Careful")
            expect(page.get_by_label("Nobody can mint or freeze")).to_be_checked()
            page.get_by_label("Holders, from").fill("321")
            page.get_by_label("Keep as preset").fill("Mine")
            page.locator("#preset-save").click()
            page.reload()
            page.locator("#board-new .edit").click()
            page.locator("#preset").select_option("Mine")
            expect(page.get_by_label("Holders, from")).to_have_value("321")

        await browse(visit)


async def test_both_lists_share_a_column_so_that_all_are_in_view() -> None:
    async with open_market(9) as market:

        def visit(page: Page) -> None:
            page.goto(f"{market.url}/?watched=1&q=coin")
            page.wait_for_selector("#board-found .card")
            boxes = {
                str(each.get_attribute("data-board")): each.bounding_box()
                for each in page.locator(".board").all()
            }
            assert ["found", "watched", "new", "graduating", "bonded", "hot"] == list(boxes)
            assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 1280
                       for box in boxes.values())  # fmt: skip
            found, watched = boxes["found"], boxes["watched"]
            assert found is not None
            assert watched is not None
            assert found["x"] == watched["x"]
            assert found["y"] + found["height"] <= watched["y"]
            wide = page.evaluate(WIDER_THAN_THEIR_CARD)
            assert [] == wide

        await browse(visit)


# Search and the watchlist: every tracked token, on a board or not.


async def test_watched_tokens_are_shown_when_no_board_has_them_and_live_there() -> None:
    async with open_market(30, board_tokens=2) as market:
        token = listed_token(31, bonding_curve_progress=81.0, market_cap_usd=Usd(10_000.0))
        await market.list_tokens(token)

        def visit(page: Page) -> None:
            page.add_init_script(f"localStorage.watched = '[\"{token.mint}\"]'")
            sees(page, market)
            expect(card(page, token, "graduating")).to_have_count(0)
            page.get_by_role("button", name="Watched").click()
            expect(card(page, token, "watched").locator(".cap")).to_have_text("$10K")
            dearer = attrs.evolve(token, market_cap_usd=Usd(12_300.0))
            act(market.world.publish, dearer)
            expect(card(page, token, "watched").locator(".cap")).to_have_text("$12.3K")
            assert "watched=1" in page.url

        await browse(visit)


async def test_search_finds_every_token_and_a_pasted_mint_opens_its_page() -> None:
    async with open_market(30, board_tokens=2) as market:
        token = market.tokens[20]

        def visit(page: Page) -> None:
            sees(page, market)
            page.keyboard.press("/")
            page.keyboard.type("coin21")
            expect(card(page, token, "found")).to_be_visible()
            assert "q=coin21" in page.url
            page.keyboard.press("Escape")
            expect(page.locator("#board-found")).to_have_count(0)
            page.keyboard.press("/")
            page.keyboard.type(token.mint)
            page.keyboard.press("Enter")
            expect(page.locator(f".token-panel a[href='/token/{token.mint}']")).to_be_visible()

        await browse(visit)


# Keyboard, phone, accessibility.


async def test_everything_is_reached_by_keyboard_alone() -> None:
    async with open_market(30) as market:

        def visit(page: Page) -> None:
            page.route("**/token/*", lambda route: route.fulfill(body="a token"))
            sees(page, market)
            focused = page.locator(".card:focus")
            page.keyboard.press("f")  # of the first column, while none has the focus
            expect(page.locator("#filters")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator("#filters")).to_be_hidden()
            page.keyboard.press("j")
            expect(focused).to_have_attribute("aria-posinset", "1")
            for _ in range(8):
                page.keyboard.press("j")
            expect(focused).to_have_attribute("aria-posinset", "9")
            expect(focused).to_be_in_viewport()
            page.keyboard.press("k")
            expect(focused).to_have_attribute("aria-posinset", "8")
            page.keyboard.press("l")
            expect(page.locator("#board-graduating .card:focus")).to_have_count(1)
            page.keyboard.press("w")
            expect(focused.locator(".watch")).to_have_attribute("aria-pressed", "true")
            page.keyboard.press("f")
            expect(page.locator("#filters")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator("#filters")).to_be_hidden()
            expect(focused).to_have_count(1)
            mint = focused.get_attribute("data-mint")
            page.keyboard.press("Enter")
            expect(page.locator(f".token-panel a[href='/token/{mint}']")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator(".token-panel")).to_have_count(0)
            expect(focused).to_have_attribute("data-mint", str(mint))

        await browse(visit)


async def test_a_column_is_one_stop_of_the_tab_key() -> None:
    async with open_market(30) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            for board in ("new", "graduating", "bonded", "hot"):
                expect(page.locator(f'#board-{board} .card[tabindex="0"]')).to_have_count(1)

        await browse(visit)


async def test_a_phone_shows_one_column_whole_and_tabs_change_it() -> None:
    async with open_market(30) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            expect(page.locator(".board:visible")).to_have_count(1)
            page.get_by_role("tab", name="Hot").tap()
            expect(page.locator("#board-hot")).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert 390 == width
            for box in page.locator("#board-hot .card").all()[:3]:
                place = box.bounding_box()
                assert place is not None
                assert (0, 390) == (place["x"], place["width"])
            page.locator("#board-hot .edit").tap()
            expect(page.locator("#filters")).to_be_visible()
            assert 390 == page.evaluate("document.documentElement.scrollWidth")

        await browse(visit, **PHONE)


@pytest.mark.parametrize(("scheme", "size"), [("light", "desk"), ("dark", "phone")])
async def test_axe_finds_nothing(scheme: str, size: str) -> None:
    async with open_market(3) as market:
        await market.list_tokens(
            listed_token(31, freeze_revoked=False, top_holders_percent=60.0, hot_score=None)
        )

        def visit(page: Page) -> None:
            sees(page, market)
            found = run_axe(page)
            page.locator(".board:visible .edit").first.click()
            page.wait_for_timeout(400)  # it slides in
            found += run_axe(page)
            assert [] == found

        context = PHONE if size == "phone" else {}
        await browse(visit, color_scheme=scheme, **context)


def run_axe(page: Page) -> list[str]:
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        f"{violation['id']}: {violation['help']} at {node['target']} {node['failureSummary']}"
        for violation in results.response["violations"]
        for node in violation["nodes"][:3]
    ]


async def test_who_wants_less_motion_sees_none() -> None:
    async with open_market(3) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            act(market.world.publish, attrs.evolve(market.tokens[0], market_cap_usd=Usd(9e6)))
            expect(page.locator("#board-graduating .cap")).to_have_text("$9M")
            assert [] == page.evaluate("document.getAnimations().map((each) => each.playState)")

        await browse(visit, reduced_motion="reduce")


# The truth about itself.


async def test_what_is_away_is_told_in_the_services_words() -> None:
    async with open_market(3) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            badge = page.locator("#link")
            expect(badge).to_have_attribute("data-state", "live")
            market.world.conditions.away = [
                Away("redis", "connection refused", UnixSeconds(1_785_000_000.0))
            ]
            expect(badge).to_have_attribute("data-state", "delayed")
            expect(badge).to_contain_text("Delayed: Redis is away since ")
            assert "Redis: connection refused" == badge.get_attribute("title")

        await browse(visit)


async def test_silence_makes_the_page_stale_until_it_hears_something() -> None:
    async with open_market(3) as market:
        muted: list[bool] = []

        def relay(socket: WebSocketRoute) -> None:
            server = socket.connect_to_server()
            server.on_message(lambda message: None if muted else socket.send(message))

        def visit(page: Page) -> None:
            page.route_web_socket("**/ws", relay)
            sees(page, market)
            badge = page.locator("#link")
            expect(badge).to_have_attribute("data-state", "live")
            muted.append(True)
            expect(badge).to_contain_text("No sign of life for 3 s", timeout=5_000)
            expect(badge).to_contain_text("No sign of life for 5 s")
            assert page.evaluate("document.documentElement.hasAttribute('data-stale')")
            muted.clear()
            expect(badge).to_have_text("Live")
            assert not page.evaluate("document.documentElement.hasAttribute('data-stale')")

        await browse(visit)


async def test_a_page_that_cannot_be_loaded_says_so_and_comes_back() -> None:
    async with open_market(3) as market:

        def visit(page: Page) -> None:
            sees(page, market)
            page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
            page.context.set_offline(True)
            page.reload()
            expect(page.locator("h1")).to_have_text("Token discovery cannot be reached")
            page.context.set_offline(False)
            page.wait_for_selector(".card")

        await browse(visit, service_workers="allow")
