"""The doors of production keep to the settings: addresses, rates and time-outs."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from domain.errors import SourceUnavailable
from store.ledger import Ledger
from supervision.mailbox import Mailbox
from tests.unit.actors.world import clock, environment, mint
from tests.unit.wiring.test_children import settings
from wiring.doors import Doors, RealDoors


@define
class Upstream:
    """Notes who is asked when; never answers, or always with an empty object."""

    answers: bool = True
    asked: list[tuple[float, str]] = field(factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((trio.current_time(), request.url.host))
        if not self.answers:
            await trio.sleep_forever()
        return httpx.Response(200, json={})


def doors(upstream: Upstream, **chosen: object) -> Doors:
    real = RealDoors(
        settings=settings(**chosen),
        environment=environment(),
        client=httpx.AsyncClient(transport=httpx.MockTransport(upstream.answer)),
        ledger=Ledger(clock=clock),
    )
    return real.build(Mailbox[Any]("ingest", capacity=10))


async def ask_quotes(built: Doors) -> None:
    assert built.quotes is not None
    await built.quotes.quotes([mint(1)])


async def ask_holders(built: Doors) -> None:
    assert built.holders is not None
    await built.holders.counts([mint(1)])


async def ask_sol_price(built: Doors) -> None:
    assert built.sol_price is not None
    await built.sol_price.sol_usd()


ASKED_BY_SETTINGS = [
    ("market_data", ask_quotes),
    ("holder_count", ask_holders),
    ("sol_price", ask_sol_price),
]


@pytest.mark.parametrize(("section", "ask"), ASKED_BY_SETTINGS)
async def test_look_up_goes_to_the_address_of_its_section_and_gives_up_in_time(
    autojump_clock: MockClock, section: str, ask: Callable[[Doors], Awaitable[None]]
) -> None:
    upstream = Upstream(answers=False)
    chosen = {f"{section}__url": "http://elsewhere.test", f"{section}__timeout_seconds": 3}
    with pytest.raises(SourceUnavailable):
        await ask(doors(upstream, **chosen))
    assert {"elsewhere.test"} == {host for _, host in upstream.asked}
    assert 3.0 == trio.current_time()


@pytest.mark.parametrize(("section", "ask"), ASKED_BY_SETTINGS[:2])
async def test_look_ups_keep_to_the_rate_of_their_section(
    autojump_clock: MockClock, section: str, ask: Callable[[Doors], Awaitable[None]]
) -> None:
    upstream = Upstream()
    built = doors(upstream, **{f"{section}__requests_per_minute": 12})
    for _ in range(3):
        try:
            await ask(built)
        except SourceUnavailable:
            continue  # an empty object is no answer of this provider
    assert [0.0, 5.0, 10.0] == [second for second, _ in upstream.asked]


def test_look_up_without_an_address_is_switched_off() -> None:
    built = doors(Upstream(), market_data__url="", sol_price__url="", holder_count__provider="off")
    assert (None, None, None) == (built.quotes, built.sol_price, built.holders)


def test_streams_keep_to_the_settings_of_ingest() -> None:
    built = doors(
        Upstream(),
        ingest__url="wss://portal.test/api",
        ingest__pools_url="wss://pools.test",
        ingest__silence_seconds=41,
        ingest__reconnect_seconds=2,
        ingest__reconnect_longest_seconds=43,
    )
    streams: dict[str, Any] = {name: build() for name, build in built.streams.items()}
    urls = {"pumpportal": "wss://portal.test/api", "solana-pools": "wss://pools.test"}
    assert urls == {name: streams[name].line.settings.url for name in urls}
    for name in urls:
        line = streams[name].line.settings
        assert (41.0, 2.0, 43.0) == (
            line.silence_seconds,
            line.reconnect_seconds,
            line.reconnect_longest_seconds,
        )
