"""What the page's main thread does for a change, counted in Chromium: no figure here is a time.

How fast that is: `python -m benchmarks page`.
"""

import json
from typing import Any

import attrs
from attrs import frozen
from playwright.sync_api import Page, expect

from domain.values import Usd
from tests.browser.browser import act, browse
from tests.browser.markets import Market, open_market

ROUNDS, CHANGES = 30, 40  # changes in each round, all over the boards
BOARD_TOKENS = 500
MOST_CARDS = 4 * 15  # in four columns of 800 pixels, those beyond the edges and the spare ones
MARKED = "$77.7M"  # shown once the last change has come
# Of an element's place or size, asked for while the page's layout is not up to date.
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline.stack"]
# Elements that come into the document for the first time, frames in which a column was drawn, and
# how far things have moved by themselves (https://web.dev/articles/cls).
COUNT_WORK = """() => {
  const known = new WeakSet(document.querySelectorAll("*"));
  window.work = { made: 0, shift: 0, frames: 0 };
  new MutationObserver((records) => {
    for (const node of records.flatMap(({ addedNodes }) => [...addedNodes])) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      for (const each of [node, ...node.querySelectorAll("*")]) {
        if (!known.has(each)) window.work.made += 1;
        known.add(each);
      }
    }
  }).observe(document, { subtree: true, childList: true });
  new PerformanceObserver((list) => {
    for (const { hadRecentInput, value } of list.getEntries()) {
      if (!hadRecentInput) window.work.shift += value;
    }
  }).observe({ type: "layout-shift" });
  const request = requestAnimationFrame;
  window.requestAnimationFrame = (draw) => request((now) => {
    window.work.frames += 1;
    draw(now);
  });
}"""


@frozen
class Work:
    """What some rounds of changes have cost the page."""

    made: int  # elements
    shift: float
    frames: int  # in which something was drawn
    cards: int  # in the document
    forced: int  # layouts that a script was made to wait for
    layouts: int
    recalculations: int  # of styles


async def trade_rounds(market: Market) -> None:
    """Change many tokens, round by round, and one in view at last."""
    for _ in range(ROUNDS):
        await market.trade_once(CHANGES)
    first = market.tokens[1]  # of a board in the order of time, which stays where it is
    await market.world.publish(attrs.evolve(first, market_cap_usd=Usd(77_700_000.0)))


def count_work(page: Page, market: Market) -> Work:
    page.goto(market.url)
    for board in ("new", "graduating", "bonded", "hot"):
        page.wait_for_selector(f"#board-{board} .card")
    act(market.trade_once, CHANGES)  # what is made once is made
    page.evaluate("document.fonts.ready.then(() => 0)")
    browser, session = page.context.browser, page.context.new_cdp_session(page)
    assert browser is not None
    session.send("Performance.enable")
    page.evaluate(COUNT_WORK)
    before = read_metrics(session)
    browser.start_tracing(page=page, categories=CATEGORIES)
    act(trade_rounds, market)
    expect(page.locator("#board-bonded .cap", has_text=MARKED)).to_be_visible()
    events = json.loads(browser.stop_tracing())["traceEvents"]
    after = read_metrics(session)
    return Work(
        **page.evaluate("work"),
        cards=page.locator(".card").count(),
        forced=sum(event["name"] == "Layout" and _is_forced(event) for event in events),
        layouts=round(after["LayoutCount"] - before["LayoutCount"]),
        recalculations=round(after["RecalcStyleCount"] - before["RecalcStyleCount"]),
    )


def read_metrics(session: Any) -> dict[str, float]:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: float(each["value"]) for each in metrics}


def _is_forced(layout: dict[str, Any]) -> bool:
    """True where a script of the page wanted it; Playwright's own, which look at it, do as well."""
    stack = layout.get("args", {}).get("beginData", {}).get("stackTrace") or []
    return any("/assets/" in frame.get("url", "") for frame in stack)


async def test_changes_make_no_elements_force_no_layout_and_shift_nothing() -> None:
    async with open_market(3 * BOARD_TOKENS) as market:
        # Without animations, whose styles are worked out as often as the machine draws.
        work = await browse(lambda page: count_work(page, market), reduced_motion="reduce")
        boards = market.world.gateway.boards.count_tokens()
    assert dict.fromkeys(boards, BOARD_TOKENS) == boards
    assert work.cards <= MOST_CARDS
    assert 0 == work.made  # cards are used again
    assert 0 == work.forced
    assert work.shift < 0.05
    # At most one layout a frame, and two looks at styles, whatever has changed in it.
    assert work.frames > 0
    assert work.layouts <= work.frames
    assert work.recalculations <= 2 * work.frames
