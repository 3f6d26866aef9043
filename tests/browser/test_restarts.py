"""The page while the service dies, stops and comes back: as a process, killed and paused."""

import os
import signal
from pathlib import Path

import trio
from playwright.sync_api import Page, expect

from commands.embedded import free_port
from tests.acceptance.service import Service, running_service, settings
from tests.acceptance.test_metadata import created
from tests.acceptance.world import running_peer
from tests.browser.browser import act_at_once, browse
from tests.unit.actors.world import mint

COMES_BACK_MILLISECONDS = 40_000  # the page's longest wait is 20 s


def list_mints(page: Page) -> list[str]:
    cards = page.locator("#board-new .card")
    return sorted(cards.nth(at).get_attribute("data-mint") or "" for at in range(cards.count()))


async def test_page_comes_back_after_the_service_was_killed(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    port = free_port()
    async with running_peer() as peer, trio.open_nursery() as nursery:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        peer.say(created(1, ""))
        killed, again = trio.Event(), trio.Event()

        async def serve() -> None:
            async with running_service(tmp_path, environment, port=port) as service:
                serving.set()
                await killed.wait()
                service.process.kill()
                await service.process.wait()
            await again.wait()
            async with running_service(tmp_path, environment, port=port):
                await trio.sleep_forever()

        def visit(page: Page) -> None:
            page.goto(f"http://127.0.0.1:{port}/")
            expect(page.locator("#board-new .card")).to_have_count(1)
            badge = page.locator("#link")
            act_at_once(killed.set)
            expect(badge).to_contain_text("Reconnecting in")
            # A countdown that counts: another number soon.
            first = badge.locator(".detail").inner_text()
            expect(badge.locator(".detail")).not_to_have_text(first)
            assert page.evaluate("document.documentElement.hasAttribute('data-stale')")
            expect(page.locator("#board-new .card")).to_have_count(1)
            act_at_once(peer.say, created(2, ""))
            act_at_once(again.set)
            expect(page.locator("#board-new .card")).to_have_count(
                2, timeout=COMES_BACK_MILLISECONDS
            )
            assert sorted([mint(1), mint(2)]) == list_mints(page)
            assert not page.evaluate("document.documentElement.hasAttribute('data-stale')")

        serving = trio.Event()
        nursery.start_soon(serve)
        await serving.wait()
        await browse(visit)
        nursery.cancel_scope.cancel()


async def test_page_says_when_the_service_has_stopped_and_goes_on_when_it_does(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with running_peer() as peer:
        environment = settings(postgres_url, redis_url, INGEST__URL=peer.url)
        peer.say(created(1, ""))
        async with running_service(tmp_path, environment) as service:

            def visit(page: Page) -> None:
                page.goto(f"http://127.0.0.1:{service.port}/")
                expect(page.locator("#board-new .card")).to_have_count(1)
                pause(service, signal.SIGSTOP)
                expect(page.locator("#link")).to_contain_text("No sign of life for", timeout=10_000)
                act_at_once(peer.say, created(2, ""))
                pause(service, signal.SIGCONT)
                expect(page.locator("#board-new .card")).to_have_count(
                    2, timeout=COMES_BACK_MILLISECONDS
                )

            await browse(visit)


def pause(service: Service, number: signal.Signals) -> None:
    os.kill(service.process.pid, number)
