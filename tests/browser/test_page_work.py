"""The page under load, measured in Chromium: what the main thread does, and what it never does."""

import json
import time
from typing import Any

import attrs
import trio
from attrs import frozen
from playwright.sync_api import Page

from domain.values import UnixSeconds
from tests.browser.browser import browse
from tests.browser.markets import Market, listed_token, open_market
from tests.unit.feed.tokens import mint_of

REAL_PACE = 750.0  # changes a second, of all venues together
HIGH_PACE = 1000.0
SETTLE_SECONDS, MEASURED_SECONDS = 2.0, 5.0
# Of an element's place or size, asked for while the page's layout is not up to date.
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline.stack"]

WATCH_SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
}"""


@frozen
class Load:
    """What some seconds of the page took."""

    busy: float  # share of a processor that the main thread had
    layout_shift: float
    forced_layouts: int
    cards: int


def measure_page(page: Page) -> Load:
    """Measure the page of a running market, in processor time: a busy machine changes it little."""
    page.wait_for_selector(".card")
    page.evaluate(WATCH_SHIFTS)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    time.sleep(SETTLE_SECONDS)
    before, started = _task_seconds(session), time.monotonic()
    time.sleep(MEASURED_SECONDS)
    busy = (_task_seconds(session) - before) / (time.monotonic() - started)
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=CATEGORIES)
    time.sleep(SETTLE_SECONDS)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    forced = [event for event in events if event["name"] == "Layout" and _stack_of(event)]
    shift = page.evaluate("shifts")
    return Load(busy, shift, len(forced), page.locator(".card").count())


def _task_seconds(session: Any) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _stack_of(event: dict[str, Any]) -> object:
    """The script's stack where it was a script that wanted the layout."""
    return event.get("args", {}).get("beginData", {}).get("stackTrace")


async def measure_market(market: Market, changes_a_second: float) -> Load:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(market.trade, changes_a_second)

        def visit(page: Page) -> Load:
            page.goto(market.url)
            return measure_page(page)

        load = await browse(visit)
        nursery.cancel_scope.cancel()
    return load


async def test_main_thread_is_mostly_idle_at_the_real_pace() -> None:
    async with open_market(1500) as market:
        load = await measure_market(market, REAL_PACE)
    assert load.busy < 0.3


async def test_nothing_is_laid_out_for_a_script_and_nothing_shifts() -> None:
    async with open_market(1500) as market:
        load = await measure_market(market, HIGH_PACE)
    assert 0 == load.forced_layouts
    assert load.layout_shift < 0.05


async def test_only_what_is_in_view_is_on_the_page() -> None:
    async with open_market(1500) as market:
        load = await measure_market(market, 1.0)
        boards = market.world.gateway.boards.count_tokens()
    assert dict.fromkeys(boards, 500) == boards
    assert load.cards < 4 * 15


# How soon a birth is seen: from the frame's arrival in the browser to the card in the document.
NOTE_TIMES = """
  delete globalThis.DecompressionStream;  // frames come as text, and can be read on arrival
  window.heard = new Map();
  window.delays = [];
  window.longest = 0;  // between two frames, and what a frame waits for is shown two later
  let last = performance.now();
  const beat = (now) => {
    window.longest = Math.max(window.longest, now - last);
    last = now;
    requestAnimationFrame(beat);
  };
  requestAnimationFrame(beat);
  globalThis.WebSocket = class extends WebSocket {
    constructor(...where) {
      super(...where);
      this.addEventListener("message", ({ data, timeStamp }) => {
        const { type, board, changes } = JSON.parse(data);
        if (type !== "delta" || board !== "new") return;
        for (const { mint, symbol } of changes) if (symbol) window.heard.set(mint, timeStamp);
      });
    }
  };
  new MutationObserver((records) => {
    for (const card of records.flatMap(({ addedNodes }) => [...addedNodes])) {
      const mint = card.dataset?.mint;
      if (!window.heard.has(mint) || !card.closest("#board-new")) continue;
      window.delays.push(performance.now() - window.heard.get(mint));
      window.heard.delete(mint);
    }
  }).observe(document, { subtree: true, childList: true });
"""
BIRTHS, BIRTHS_A_SECOND = 200, 50


async def test_births_are_seen_soon_after_their_frame() -> None:
    async with open_market(30, delta_interval_seconds=0.05) as market:

        async def give_birth() -> None:
            for number in range(BIRTHS):
                # Of the board of new tokens, each younger than all before.
                born = listed_token(3 * number, first_seen_at=UnixSeconds(time.time()))
                await market.world.publish(attrs.evolve(born, mint=mint_of(10_000 + number)))
                await trio.sleep(1 / BIRTHS_A_SECOND)

        def visit(page: Page) -> tuple[list[float], float]:
            page.add_init_script(NOTE_TIMES)
            page.goto(f"{market.url}/?density=compact")
            page.wait_for_selector("#board-new .card")
            page.evaluate("() => { window.longest = 0; }")
            trio.from_thread.run(give_birth)
            page.wait_for_selector(f'#board-new .card[data-mint="{mint_of(9_999 + BIRTHS)}"]')
            return sorted(page.evaluate("delays")), page.evaluate("longest")

        # High, so that births which come at once on a busy machine are all in view.
        delays, longest = await browse(visit, viewport={"width": 1280, "height": 3000})
    assert len(delays) > 0.9 * BIRTHS
    # A machine that gives the browser no processor for a while is not the page's fault.
    missed = 2 * longest if longest > 50.0 else 0.0
    assert delays[int(0.99 * len(delays))] < 300.0 + missed
