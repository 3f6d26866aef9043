"""The feed page in Chromium at the real pace: its main thread, its frames, its births.

    a gateway in this process, 750 changes a second -> the page, and its peer, in turns

The peer shows the same figures by the same client, and draws every row of a changed board anew
(benchmarks/page_peer): as pages without a framework are usually written. Chromium runs without a
GPU, 1280 x 800, four boards of 500 rows. The share is processor time of the main thread, so that
it depends little on what else runs; frames and births do.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from time import monotonic, sleep
from time import time as wall_clock
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs
import trio
from attrs import frozen
from playwright.sync_api import Browser, Page, Route

from benchmarks.results import Cell, Figure, NotMeasurable, Result
from domain.values import UnixSeconds
from tests.browser.browser import DESK, PROGRAMS, running_chromium
from tests.browser.markets import Market, listed_token, open_market
from tests.unit.feed.tokens import mint_of

TOKENS = 1500  # 500 on each board
CHANGES_A_SECOND = 750.0
SETTLE_SECONDS = 2.0
SECONDS, QUICK_SECONDS = 10.0, 3.0  # of each look at a page
LOOKS, QUICK_LOOKS = 3, 1  # at each page, in turns
BIRTHS, QUICK_BIRTHS = 300, 60
BIRTHS_A_SECOND = 20.0
BIRTHS_LISTED = 30  # tokens before the first birth
HIGH = {"width": 1280, "height": 3000}  # births that come at once on a busy machine are in view
PATIENCE_MILLISECONDS = 60_000
PEER = Path(__file__).with_name("page_peer")
PAGES = {"the feed page": "/", "every row anew": "/peer.html"}
# A page that was not fetched from this machine, as the peer's, may else not speak to it.
ALLOW_PEER = "--disable-features=LocalNetworkAccessChecks"
COUNT_FRAMES = """() => {
  window.frames_drawn = 0;
  const count = () => { window.frames_drawn += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""
# From the arrival of a frame in the browser to the first element of its token in the document.
NOTE_BIRTHS = """
  delete globalThis.DecompressionStream;  // frames come as text, and can be read on arrival
  window.heard = new Map();
  window.delays = [];
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
    for (const row of records.flatMap(({ addedNodes }) => [...addedNodes])) {
      const mint = row.dataset?.mint;
      if (!window.heard.has(mint) || !row.closest("#board-new")) continue;
      window.delays.push(performance.now() - window.heard.get(mint));
      window.heard.delete(mint);
    }
  }).observe(document, { subtree: true, childList: true });
"""

Measured = TypeVar("Measured")


@frozen
class Look:
    """What some seconds of a page have taken."""

    share: float  # of a processor that the main thread had
    frames: float  # a second
    nodes: int


def run(is_quick: bool) -> Result:
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        raise NotMeasurable("there is no chromium here")
    looks = trio.run(_measure_load, program, is_quick)
    delays = trio.run(_measure_births, program, QUICK_BIRTHS if is_quick else BIRTHS)
    lines = [_show_page(name, looks[name], delays[name]) for name in PAGES]
    ours, theirs = (looks[name] for name in PAGES)
    share = fmean(look.share for look in ours)
    share_ratio = share / fmean(look.share for look in theirs)
    frames_ratio = fmean(look.frames for look in ours) / fmean(look.frames for look in theirs)
    late, peer_late = (_quantile(delays[name], 0.99) for name in PAGES)
    return Result(
        name="page",
        title=f"The feed page at {CHANGES_A_SECOND:g} changes a second, beside a plain one",
        headings=("page", "main thread, %", "frames/s", "nodes", "birth p50, ms", "p99, ms"),
        lines=lines,
        conclusion=(
            f"The page's main thread has {share_ratio:.2f} of what the peer's has, with "
            f"{frames_ratio:.1f} times its frames; a birth's p99 is {late / peer_late:.2f} of it."
        ),
        figures={
            "main_thread_share": Figure(value=share, unit="of a processor"),
            "main_thread_to_peer": Figure(value=share_ratio, unit="ratio"),
            "frames_to_peer": Figure(value=frames_ratio, unit="ratio", more_is_better=True),
            "birth_p99_to_peer": Figure(value=late / peer_late, unit="ratio"),
            "nodes": Figure(value=float(ours[-1].nodes), unit="nodes"),
        },
    )


def _show_page(name: str, looks: Sequence[Look], delays: Sequence[float]) -> list[Cell]:
    return [
        name,
        100 * fmean(look.share for look in looks),
        fmean(look.frames for look in looks),
        looks[-1].nodes,
        _quantile(delays, 0.5),
        _quantile(delays, 0.99),
    ]


def _quantile(delays: Sequence[float], share: float) -> float:
    return sorted(delays)[int(share * (len(delays) - 1))]


# The load.


async def _measure_load(program: str, is_quick: bool) -> dict[str, list[Look]]:
    """Look at each page some times, in turns."""
    seconds = QUICK_SECONDS if is_quick else SECONDS
    looks: dict[str, list[Look]] = {name: [] for name in PAGES}
    async with open_market(TOKENS) as market, trio.open_nursery() as nursery:
        nursery.start_soon(market.trade, CHANGES_A_SECOND)
        for _ in range(QUICK_LOOKS if is_quick else LOOKS):
            for name, path in PAGES.items():

                def look(page: Page, path: str = path) -> Look:
                    page.goto(f"{market.url}{path}")
                    return _look_at(page, seconds)

                looks[name].append(await _visit(program, look))
        nursery.cancel_scope.cancel()
    return looks


def _look_at(page: Page, seconds: float) -> Look:
    page.wait_for_selector("#board-new .card")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    sleep(SETTLE_SECONDS)
    page.evaluate(COUNT_FRAMES)
    before, started = _read_metric(session, "TaskDuration"), monotonic()
    sleep(seconds)
    busy = _read_metric(session, "TaskDuration") - before
    drawn, passed = page.evaluate("frames_drawn"), monotonic() - started
    nodes = page.evaluate("document.querySelectorAll('*').length")
    return Look(busy / passed, drawn / passed, nodes)


def _read_metric(session: Any, name: str) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == name))


# Births.


async def _measure_births(program: str, births: int) -> dict[str, list[float]]:
    """How many milliseconds each birth took, by page."""
    delays: dict[str, list[float]] = {}
    for name, path in PAGES.items():
        async with open_market(BIRTHS_LISTED, delta_interval_seconds=0.05) as market:

            def watch(page: Page, market: Market = market, path: str = path) -> list[float]:
                page.add_init_script(NOTE_BIRTHS)
                page.goto(f"{market.url}{path}?density=compact")
                page.wait_for_selector("#board-new .card")
                sleep(SETTLE_SECONDS)  # pictures and courses of what is listed already
                trio.from_thread.run(_give_birth, market, births)
                page.wait_for_selector(f'#board-new [data-mint="{mint_of(9_999 + births)}"]')
                told: list[float] = page.evaluate("delays")
                return told

            delays[name] = await _visit(program, watch, viewport=HIGH)
        if len(delays[name]) < 0.9 * births:
            raise NotMeasurable(f"{name} has shown {len(delays[name])} of {births} births")
    return delays


async def _give_birth(market: Market, births: int) -> None:
    for number in range(births):
        # Of the board of new tokens, each younger than all before.
        born = listed_token(3 * number, first_seen_at=UnixSeconds(wall_clock()))
        await market.world.publish(attrs.evolve(born, mint=mint_of(10_000 + number)))
        await trio.sleep(1 / BIRTHS_A_SECOND)


# The browser.


async def _visit(program: str, visit: Callable[[Page], Measured], **context: Any) -> Measured:
    """Let `visit` use a page of a browser of its own, in a thread."""

    def use_browser() -> Measured:
        with running_chromium(program, ALLOW_PEER) as browser:
            return visit(_open_page(browser, DESK | context))

    return await trio.to_thread.run_sync(use_browser)


def _open_page(browser: Browser, context: dict[str, Any]) -> Page:
    page = browser.new_page(**context)
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.route(re.compile(r"/peer\.(html|js)"), _serve_peer)
    return page


def _serve_peer(route: Route) -> None:
    """The peer from the service's own origin, whose modules it imports."""
    route.fulfill(path=PEER / urlsplit(route.request.url).path.removeprefix("/"))
