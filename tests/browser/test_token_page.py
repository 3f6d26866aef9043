"""A token's page and panel in Chromium, and alerts: what a trader sees and does."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from domain.values import Usd
from tests.browser.browser import PATIENCE_MILLISECONDS, act, browse
from tests.browser.markets import listed_token
from tests.browser.token_world import CREATOR, TokenMarket, make_record, open_token
from tests.unit.feed.tokens import mint_of

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
KEEP_BACKGROUND = "document.hasFocus = () => false"

expect.set_options(timeout=PATIENCE_MILLISECONDS)


def acts(do: Callable[..., Any], *arguments: Any, **values: Any) -> None:
    """Let the world act, from the browser's thread."""
    act(partial(do, *arguments, **values))


def sees_token(page: Page, world: TokenMarket) -> list[str]:
    """Open the token's page, with all of it; what the browser refuses is listed as it comes."""
    refusals: list[str] = []
    page.on(
        "console",
        lambda line: refusals.append(line.text) if "Security Policy" in line.text else None,
    )
    page.goto(world.url)
    page.wait_for_selector(".trades tbody tr")
    page.wait_for_selector(".chart-frame canvas")
    return refusals


async def test_the_page_tells_all_that_is_known_and_where_it_comes_from() -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            refusals = sees_token(page, world)
            expect(page.locator("h1")).to_have_text("COIN1")
            expect(page.locator(".token-cap")).to_have_text("$43.2K")
            expect(page.locator(".token-price")).to_have_text("$0.0₄4321")
            expect(page.locator(".trades tbody tr")).to_have_count(20)
            expect(page.locator(".chart-words")).to_contain_text("4 buys, 1 sells")
            text = page.locator(".token-side").inner_text()
            for figure in ("91.2%", "Graduating", "77", "23.4%", "4.5%", "renounced", "◎1.47"):
                assert figure in text
            assert "From the chain, " in text
            assert "From Jupiter, 1 min ago" in text
            assert "From trades counted here, " in text
            expect(page.locator(".coins li")).to_have_count(2)
            assert page.title().startswith("COIN1 $0.0₄4321")
            assert [] == refusals

        await browse(visit)


async def test_links_lead_out_with_the_mint_and_tell_the_other_site_nothing() -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            sees_token(page, world)
            link = page.locator(".token-links a").first
            expect(link).to_have_attribute(
                "href", f"https://elsewhere.example/coin/{world.token.mint}"
            )
            for each in page.locator("a[target=_blank]").all():
                rel = each.get_attribute("rel")
                assert rel is not None
                assert {"noopener", "noreferrer"} <= set(rel.split())
            expect(page.locator(f'.coins a[href="/token/{mint_of(31)}"]')).to_have_count(1)
            expect(page.get_by_text("Solscan")).to_have_attribute(
                "href", f"https://solscan.io/account/{CREATOR}"
            )

        await browse(visit)


async def test_changes_and_trades_are_on_the_page_as_they_come() -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            sees_token(page, world)
            acts(world.change, market_cap_usd=Usd(99_900.0))
            expect(page.locator(".token-cap")).to_have_text("$99.9K")
            acts(world.trade, make_record(0, "sell", sol=7.5, trader=CREATOR))
            first = page.locator(".trades tbody tr").first
            expect(first).to_contain_text("◎7.5")
            expect(first).to_contain_text("dev")
            expect(page.locator(".trades tbody tr")).to_have_count(21)
            page.locator(".trader button").first.click()
            expect(page.locator(".trades tbody tr")).to_have_count(1)

        await browse(visit)


async def test_a_mint_that_is_not_tracked_says_so_and_comes_alive_at_its_birth() -> None:
    async with open_token() as world:
        born = listed_token(77)

        def visit(page: Page) -> None:
            page.goto(f"{world.market.url}/token/{born.mint}")
            expect(page.get_by_text("This token is not tracked here")).to_be_visible()
            expect(page.locator(".token-links a").first).to_be_visible()
            acts(world.market.world.publish, born)
            expect(page.locator("h1")).to_have_text("COIN77")
            expect(page.get_by_text("This token is not tracked here")).to_be_hidden()
            page.goto(f"{world.market.url}/token/nonsense")
            expect(page.get_by_role("heading")).to_have_text("This is no token's address")

        await browse(visit)


async def test_what_a_token_says_of_itself_is_text_and_leads_nowhere_else() -> None:
    hostile = {
        "symbol": HOSTILE,
        "name": HOSTILE,
        "description": HOSTILE,
        "twitter": "javascript:document.title=3",
        "telegram": "data:text/html,<script>document.title=4</script>",
        "website": "https://coin.example/?<b>",
    }
    async with open_token(**hostile) as world:

        def visit(page: Page) -> None:
            sees_token(page, world)
            expect(page.locator("h1")).to_have_text(HOSTILE)
            expect(page.locator(".description")).to_have_text(HOSTILE)
            assert [] == page.locator("h1 img, .description img, .token script").all()
            links = page.locator(".token-side .addresses a").evaluate_all(
                "links => links.map((link) => link.protocol)"
            )
            assert {"https:"} == set(links)
            assert HOSTILE in page.title()

        await browse(visit)


async def test_candles_of_another_length_and_prices_are_a_choice() -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            sees_token(page, world)
            expect(page.locator(".chart-words")).to_contain_text("C $2B")
            page.get_by_role("button", name="Price", exact=True).click()
            expect(page.locator(".chart-words")).to_contain_text("C $2 ")
            with page.expect_response("**/candles?interval=1h*"):
                page.get_by_role("button", name="1h", exact=True).click()

        await browse(visit)


async def test_the_panel_is_opened_led_and_closed_by_the_keyboard() -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            page.goto(world.market.url)
            page.wait_for_selector(".card")
            page.keyboard.press("j")
            page.keyboard.press("Enter")
            symbol = page.locator(".token-panel .token-symbol")
            expect(symbol).to_contain_text("COIN")
            first = symbol.inner_text()
            page.keyboard.press("w")
            star = page.locator(".token-panel .watch-token")
            expect(star).to_have_attribute("aria-pressed", "true")
            page.keyboard.press("j")
            expect(symbol).not_to_have_text(first)
            expect(symbol).to_contain_text("COIN")
            expect(star).to_have_attribute("aria-pressed", "false")
            page.keyboard.press("Escape")
            expect(page.locator(".token-panel")).to_have_count(0)
            assert "card" in page.evaluate("document.activeElement.className")
            assert 1 == len(page.evaluate("JSON.parse(localStorage.watched)"))

        await browse(visit)


async def test_a_crossing_is_told_once_on_the_page_and_in_the_title() -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            page.add_init_script(KEEP_BACKGROUND)
            sees_token(page, world)
            page.locator(".token-facts button[aria-label=Alerts]").click()
            page.get_by_label("What it does").select_option("capAbove")
            page.get_by_role("button", name="Add", exact=True).click()
            expect(page.get_by_role("alert")).to_contain_text("Give an amount")
            page.get_by_label("US dollars").fill("69k")
            with page.expect_response("**/api/tokens?mints=*"):
                page.get_by_role("button", name="Add", exact=True).click()
            expect(page.locator(".alert-rules li")).to_have_text("COIN1 market cap rises to $69K")
            page.keyboard.press("Escape")
            acts(world.change, market_cap_usd=Usd(70_000.0))
            expect(page.locator(".alert-toasts li")).to_contain_text("market cap rises to $69K")
            assert page.title().startswith("(1) COIN1")
            page.reload()
            page.locator(".token-facts button[aria-label=Alerts]").click()
            page.get_by_role("button", name="Remove this alert").click()
            assert "[]" == page.evaluate("localStorage.alerts")

        await browse(visit)


@pytest.mark.parametrize("context", [PHONE, {"color_scheme": "dark"}])
async def test_the_page_is_accessible_and_nothing_is_wider_than_the_screen(
    context: dict[str, Any],
) -> None:
    async with open_token() as world:

        def visit(page: Page) -> None:
            sees_token(page, world)
            results = Axe().run(page, options={"runOnly": RULES})
            assert 0 == results.violations_count, results.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        await browse(visit, **context)
