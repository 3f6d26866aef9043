"""The operations page in Chromium, of a real service: what is wrong, and what was."""

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from buffer.history import HistoryBatch
from buffer.redis.history import RedisHistory
from domain.operations import SERIES, HistoryPoint
from domain.values import UnixSeconds
from supervision.offload import offload_to_threads
from tests.acceptance.service import Service, running_service, settings
from tests.browser.browser import browse
from tests.browser.test_feed_page import PHONE, run_axe
from tests.conftest import RedisFactory


@asynccontextmanager
async def serving(directory: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Service]:
    """A service that asks nobody outside."""
    async with running_service(directory, settings(postgres_url, redis_url)) as service:
        yield service


def open_page(page: Page, service: Service) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/ops")
    expect(page.locator("#graph svg")).to_be_visible()


def leave_stalls_out(route: Route) -> None:
    """A busy machine holds up the event loop, which nothing here is about."""
    told = route.fetch().json()
    told["problems"] = [each for each in told["problems"] if each["kind"] != "stalls"]
    route.fulfill(json=told)


async def test_nothing_wrong_says_so_and_an_outage_of_redis_stands_first_with_its_runbook(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory
) -> None:
    server = new_redis(appendonly=True)
    async with serving(tmp_path, postgres_url, server.url) as service:

        def visit(page: Page) -> None:
            page.route("**/api/ops/problems", leave_stalls_out)
            open_page(page, service)
            verdict = page.locator("#problems-title")
            expect(verdict).to_have_text("Nothing is wrong")
            expect(page.locator("#problems [data-note]")).to_contain_text("since ")
            server.kill()
            first = page.locator("#problems li").first
            expect(first).to_contain_text("Redis is away: updates wait in memory")
            expect(first).to_contain_text("Critical")
            expect(first).to_contain_text("Mend Redis. Do not stop the service before.")
            expect(verdict).to_have_text("One thing is wrong")
            expect(page.locator(".graph text.state.down")).to_have_text("away")
            expect(page.locator("#events li").first).to_contain_text("Redis is away")
            first.get_by_role("link").click()
            expect(page.locator("h3#tokendiscoveryredisaway")).to_be_in_viewport()
            assert page.url.endswith("/ops/runbook#tokendiscoveryredisaway")
            page.go_back()
            server.restart()
            expect(verdict).to_have_text("Nothing is wrong")
            expect(page.locator("#events li").first).to_contain_text("Over after ")

        await browse(visit)


def stick_sync(route: Route) -> None:
    """Let the service's own figures say that the mailbox of sync is full."""
    figures = route.fetch().json()
    for box in figures["mailboxes"]:
        if box["name"] == "sync":
            box["depth"] = box["capacity"]
    route.fulfill(json=figures)


async def test_the_graph_shows_every_actor_and_a_stuck_mailbox(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with serving(tmp_path, postgres_url, redis_url) as service:

        def visit(page: Page) -> None:
            open_page(page, service)
            names = page.locator(".graph .name").all_text_contents()
            assert {"ingest", "sync", "gateway", "history", "Redis", "Postgres"} <= set(names)
            assert 0 == page.locator(".graph path.down, .graph rect.down").count()
            image = page.locator("#graph svg")
            page.route("**/api/ops/actors", stick_sync)
            expect(page.locator(".graph rect.down")).to_have_count(1)
            expect(page.locator(".graph text.flow.down")).to_contain_text("50K of 50K")
            assert page.locator(".graph path.down").count() > 5  # of all who send to it
            label = image.get_attribute("aria-label") or ""
            assert "sync is nearly full, 50000 of 50000" in label

        await browse(visit)


async def keep_history(url: str, points: int) -> None:
    """What an earlier life has left: a point each 15 s, until a minute ago."""
    shelf = RedisHistory(url=url, timeout_seconds=2.0, offload=offload_to_threads(1))
    until = time.time() - 60
    ats = [UnixSeconds(until - 15 * number) for number in reversed(range(points))]
    values = dict.fromkeys(SERIES, 5.0)
    batch = HistoryBatch(points=[HistoryPoint(at=at, values=values) for at in ats])
    await shelf.append_history(batch)
    await shelf.close()


async def test_charts_and_events_have_what_was_before_a_restart(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    await keep_history(redis_url, 100)
    async with serving(tmp_path, postgres_url, redis_url) as service:
        assert 0 == await service.stop(signal.SIGTERM)
    async with serving(tmp_path, postgres_url, redis_url) as service:

        def visit(page: Page) -> None:
            open_page(page, service)
            charts = page.locator("#history figure")
            expect(charts.first).to_be_visible()
            counts = {charts.nth(at).get_attribute("data-points") for at in range(charts.count())}
            assert all(count and int(count) >= 100 for count in counts)
            line = charts.first.locator("path.curve").get_attribute("d") or ""
            assert line.count("L") > 90
            page.get_by_text("24 h").click()
            expect(charts.first.locator("svg")).to_have_attribute(
                "aria-label", "Events in, the last 24 hours: 5/s messages of the streams"
            )
            events = page.locator("#events li")
            expect(events.filter(has_text="The service started.")).to_have_count(2)
            expect(events.filter(has_text="The service is stopping: it drains.")).to_have_count(1)

        await browse(visit)


@pytest.mark.parametrize("size", ["desk", "phone"])
async def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    tmp_path: Path, postgres_url: str, new_redis: RedisFactory, size: str
) -> None:
    server = new_redis()
    await keep_history(server.url, 100)
    context: dict[str, Any] = PHONE if size == "phone" else {}
    async with serving(tmp_path, postgres_url, server.url) as service:

        def visit(page: Page) -> None:
            open_page(page, service)
            expect(page.locator("#history figure").first).to_be_visible()
            found = []
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found += run_axe(page)
            server.kill()
            expect(page.locator("#problems li").first).to_contain_text("Redis is away")
            found += run_axe(page)
            page.locator("#problems li a").first.click()
            expect(page.locator("h3#tokendiscoveryredisaway")).to_be_in_viewport()
            found += run_axe(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            page.go_back()
            expect(page.locator("#problems li").first).to_be_visible()
            widths = {width, page.evaluate("document.documentElement.scrollWidth")}
            assert {context.get("viewport", {"width": 1280})["width"]} == widths
            assert [] == found

        await browse(visit, **context)
