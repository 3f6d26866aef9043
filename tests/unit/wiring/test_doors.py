"""The doors of production keep to the settings: addresses, rates and time-outs."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from domain.errors import SourceUnavailable
from domain.outline import outline_token
from sources.guarded_addresses import Origin
from store.ledger import Ledger
from supervision.mailbox import Mailbox
from tests.unit.actors.world import clock, environment, mint, token
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


def build_stream(built: Doors, name: str) -> Any:
    stream = built.streams[name]
    return stream.build(stream.memory)


async def ask_quotes(built: Doors) -> None:
    quotes = built.providers["market-data"].quotes
    await quotes.fetch_quotes([mint(1)])


async def ask_holders(built: Doors) -> None:
    await built.providers["holder-count"].fetch_holders([mint(1)])


async def ask_sol_price(built: Doors) -> None:
    sol_price = built.providers["market-data"].sol_price
    await sol_price.fetch_sol_usd()


ASKED_BY_SETTINGS = [
    ("market_data", ask_quotes),
    ("jupiter", ask_holders),
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
    built = doors(Upstream(), market_data__url="", jupiter__url="", holder_count__provider="off")
    market = built.providers["market-data"]
    assert (None, None, None) == (market.quotes, market.sol_price, built.providers["holder-count"])
    assert [] == market.sol_price_fallbacks


def test_holders_of_a_jupiter_that_is_switched_off_are_asked_of_nobody() -> None:
    assert doors(Upstream(), jupiter__url="").providers["holder-count"] is None


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        ({}, ["api.jup.ag", "hermes.pyth.network", "api.coingecko.com"]),
        ({"sol_price__pyth_url": ""}, ["api.jup.ag", "api.coingecko.com"]),
        ({"sol_price__url": "https://one.test/sol"}, ["one.test"]),
        ({"jupiter__url": ""}, []),
    ],
)
async def test_price_of_sol_is_asked_for_in_order_or_of_the_one_that_is_named(
    autojump_clock: MockClock, chosen: dict[str, object], asked: list[str]
) -> None:
    upstream = Upstream()
    market = doors(upstream, **chosen).providers["market-data"]
    for provider in [market.sol_price, *market.sol_price_fallbacks]:
        if provider is not None:
            with pytest.raises(SourceUnavailable):  # an empty object is no price
                await provider.fetch_sol_usd()
    assert asked == [host for _, host in upstream.asked]


async def test_holders_over_rpc_are_asked_of_the_first_address_that_is_given(
    autojump_clock: MockClock,
) -> None:
    chosen = {
        "holder_count__provider": "rpc",
        "ingest__chain_url": "wss://third.test/?api-key=k",
        "ingest__chain_rpc_url": "https://second.test",
        "holder_count__url": "https://first.test",
    }
    for host in ("first.test", "second.test", "third.test"):
        upstream = Upstream()
        with pytest.raises(SourceUnavailable):
            await ask_holders(doors(upstream, **chosen))
        assert {host} == {each for _, each in upstream.asked}
        chosen.popitem()


def test_streams_keep_to_the_settings_of_ingest() -> None:
    built = doors(
        Upstream(),
        ingest__url="wss://portal.test/api",
        ingest__pumpapi_url="wss://pumpapi.test/",
        ingest__pools_url="wss://pools.test",
        ingest__silence_seconds=41,
        ingest__reconnect_seconds=2,
        ingest__reconnect_longest_seconds=43,
    )
    streams = {name: build_stream(built, name) for name in built.streams}
    urls = {
        "pumpportal": "wss://portal.test/api",
        "pumpapi": "wss://pumpapi.test/",
        "solana-pools": "wss://pools.test",
    }
    assert urls == {name: streams[name].line.settings.url for name in urls}
    for name in urls:
        line = streams[name].line.settings
        assert (41.0, 2.0, 43.0) == (
            line.silence_seconds,
            line.reconnect_seconds,
            line.reconnect_longest_seconds,
        )


def test_streams_without_an_address_are_off() -> None:
    addresses = ("ingest__url", "ingest__pumpapi_url", "ingest__chain_url", "ingest__pools_url")
    assert {} == doors(Upstream(), **dict.fromkeys(addresses, "")).streams


def test_streamed_trades_are_bounded_by_the_settings() -> None:
    built = doors(
        Upstream(),
        ingest__trade_subscriptions=2,
        ingest__url="wss://portal.test",
        ingest__api_key="key",
    )
    built.follow_tokens([outline_token(token(number)) for number in (1, 2, 3)])
    assert 2 == build_stream(built, "pumpportal").snapshot().trade_subscriptions


@pytest.mark.parametrize(
    ("chosen", "address"),
    [
        ({"ingest__pools_url": "wss://pools.test/x"}, "https://pools.test/x"),
        (
            {"ingest__pools_url": "wss://pools.test", "ingest__pools_rpc_url": "https://rpc.test"},
            "https://rpc.test",
        ),
    ],
)
def test_pools_are_looked_up_where_their_stream_is_unless_told(
    chosen: dict[str, object], address: str
) -> None:
    built = doors(Upstream(), ingest__pools_timeout_seconds=17, **chosen)
    stream = build_stream(built, "solana-pools")
    assert (address, 17.0) == (stream.rpc.url, stream.rpc.http.timeout_seconds)


def test_stores_have_the_addresses_and_time_outs_of_the_settings() -> None:
    built: Any = doors(
        Upstream(),
        redis__timeout_seconds=23,
        postgres__statement_timeout_seconds=29,
        postgres__connect_timeout_seconds=31,
    )
    for buffer in (built.ingest_buffer, built.sync_buffer):
        assert ("redis://nowhere", 23.0) == (buffer.url, buffer.timeout_seconds)
    for component in ("ingest", "sync"):
        store = getattr(built, f"{component}_store")
        assert component == store.component
        assert (29.0, 31.0) == (
            store.settings.statement_timeout_seconds,
            store.settings.connect_timeout_seconds,
        )


def test_metadata_follows_its_settings(tmp_path: Path) -> None:
    built = doors(
        Upstream(),
        metadata__gateways="https://a.example/ipfs http://10.0.0.1:8080/ipfs/",
        metadata__trusted_origins="http://10.0.0.1:8080",
        metadata__timeout_seconds=3,
        images__directory=str(tmp_path),
        images__cache_bytes=12345,
        ingest__chain_url="wss://rpc.example/key",
    )
    sources = built.providers["metadata"]
    assert ("https://a.example/ipfs/", "http://10.0.0.1:8080/ipfs/") == sources.web.gateways
    assert {Origin("http", "10.0.0.1", 8080)} == sources.web.http.trusted_origins
    assert 3.0 == sources.web.http.timeout_seconds
    assert "https://rpc.example/key" == sources.mints.rpc.url
    assert (tmp_path, 12345) == (sources.cache.directory, sources.cache.limit_bytes)
    assert sources.cache is built.library.images


def test_metadata_can_be_switched_off_and_keeps_its_pictures() -> None:
    built = doors(Upstream(), metadata__enabled="false")
    sources = built.providers["metadata"]
    assert (None, None) == (sources.web, sources.mints)
    assert "token-discovery-images" == sources.cache.directory.name
    assert sources.cache is built.library.images
