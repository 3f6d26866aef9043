"""Doctor asks real servers that answer, refuse, hang, or speak something else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import orjson
import pytest
import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from commands import upstreams
from commands.advice import Finding, Gravity
from commands.upstreams import ask_upstreams
from config.redaction import find_secrets, register_secrets
from config.settings import Settings
from domain.values import WRAPPED_SOL
from sources.probes import GATEWAY_FILE, GATEWAY_TEXT
from tests.integration.sources.http_server import Answer, answers, sends
from tests.integration.sources.servers import ScriptedServer
from tests.integration.sources.test_jupiter import COINGECKO, PYTH, WorldServer
from tests.patience import PATIENCE_SECONDS
from tests.unit.actors.world import SETTINGS

SECRET = "hush5hush5hush5hush5"  # as a provider's key looks

RPC = b"/rpc"
GATEWAY = b"/ipfs/" + GATEWAY_FILE.encode()
ALL_WELL: dict[bytes, Answer] = {
    b"/tokens/v2/search": answers([]),
    b"/price/v3": answers({WRAPPED_SOL: {"usdPrice": 81.5}}),
    b"/v2/updates/price": PYTH,
    b"/api/v3/simple": COINGECKO,
    b"/tokens/v1/solana": answers([]),
    GATEWAY: sends(GATEWAY_TEXT + b"\n"),
}
NAMES = [
    *("pumpportal", "pumpapi", "chain", "solana-pools", "chain rpc", "dexscreener"),
    *("jupiter tokens", "jupiter price", "pyth price", "coingecko price", "ipfs 127.0.0.1"),
]


@define
class RpcAnswers:
    """A Solana RPC server that is well."""

    server: WorldServer
    slot: object = 7

    async def __call__(self, stream: trio.SocketStream) -> None:
        method = orjson.loads(self.server.bodies[-1])["method"]
        result = {"getHealth": "ok", "getSlot": self.slot}[method]
        await answers({"jsonrpc": "2.0", "id": 1, "result": result})(stream)


async def says_something(connection: WebSocketConnection) -> None:
    await connection.send_message('{"message": "subscribed"}')
    await trio.sleep_forever()


async def takes_subscription(connection: WebSocketConnection) -> None:
    await connection.send_message('{"jsonrpc":"2.0","result":23,"id":1}')
    await trio.sleep_forever()


async def is_silent(_: WebSocketConnection) -> None:
    await trio.sleep_forever()


Conversation = Callable[[WebSocketConnection], Awaitable[None]]


@define
class World:
    """One HTTP server for all providers, and one server a stream."""

    http: WorldServer = field(factory=lambda: WorldServer(routes=dict(ALL_WELL)))
    portal: Conversation = says_something
    pumpapi: Conversation = says_something
    chain: Conversation = takes_subscription
    settings: Settings = SETTINGS

    @asynccontextmanager
    async def running(self, **changed: Any) -> AsyncIterator["World"]:
        portal = ScriptedServer([self.portal], subscriptions=1)
        pumpapi = ScriptedServer([self.pumpapi], subscriptions=0)
        chain = ScriptedServer([self.chain], subscriptions=1)
        self.http.routes.setdefault(RPC, RpcAnswers(self.http))
        async with (
            self.http.running(),
            portal.running(),
            pumpapi.running(),
            chain.running(),
        ):
            url = self.http.url
            ingest = {
                "url": portal.url,
                "api_key": SECRET,
                "pumpapi_url": pumpapi.url,
                "chain_url": f"{chain.url}?api-key={SECRET}",
                "chain_rpc_url": f"{url}/rpc?api-key={SECRET}",
                "pools_url": "",
            } | changed
            evolve: Any = attrs.evolve
            self.settings = evolve(
                SETTINGS,
                ingest=evolve(SETTINGS.ingest, **ingest),
                market_data=evolve(SETTINGS.market_data, url=url),
                jupiter=evolve(SETTINGS.jupiter, url=url, api_key=""),
                sol_price=evolve(SETTINGS.sol_price, url="", pyth_url=url, coingecko_url=url),
                metadata=evolve(SETTINGS.metadata, gateways=f"{url}/ipfs/"),
                gateway=evolve(SETTINGS.gateway, host="127.0.0.1", port=9),
            )
            register_secrets(find_secrets(self.settings))
            yield self

    async def ask(self) -> dict[str, Finding]:
        findings = await ask_upstreams(self.settings)
        assert SECRET not in repr(findings)
        return {finding.subject: finding for finding in findings}


async def test_upstreams_that_are_well_say_how_fast_and_what_a_key_would_change() -> None:
    async with World().running() as world:
        found = await world.ask()
        assert NAMES == list(found)
        off = found.pop("solana-pools")
        assert (Gravity.OFF, True) == (off.gravity, "ingest.pools_url is empty" in off.says)
        assert {Gravity.FINE} == {finding.gravity for finding in found.values()}, found
        assert all(" answers in 0." in finding.says for finding in found.values())
        assert "at slot 7" in found["chain rpc"].says
        assert "SOL is worth 81.50 dollars" in found["jupiter price"].says
        assert "a free one (jupiter.api_key) allows 60" in found["jupiter tokens"].says
        asked = {path: world.http.asked(path) for path in (*ALL_WELL, RPC)}
        assert dict.fromkeys(ALL_WELL, 1) | {RPC: 2} == asked  # getHealth and getSlot


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (b"401 Unauthorized", "it needs a key: set jupiter.api_key"),
        (b"410 Gone", "it is no longer at this address: see jupiter.url"),
        (b"429 Too Many Requests", "asked too often"),
        (b"503 Service Unavailable", "HTTP 503"),
    ],
)
async def test_refusals_say_what_to_do_and_what_is_missing(status: bytes, advice: str) -> None:
    world = World()
    world.http.routes[b"/tokens/v2/search"] = sends(b"{}", status)
    async with world.running():
        found = await world.ask()
    jupiter = found["jupiter tokens"]
    assert Gravity.ADVICE == jupiter.gravity
    assert advice in jupiter.says
    assert "without it: holders, safety, developers and scores are not known" in jupiter.says
    assert Gravity.FINE == found["jupiter price"].gravity


async def test_those_that_hang_are_given_up_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstreams, "PROBE_SECONDS", 1.0)

    async def hangs(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    world = World(http=WorldServer(routes=dict.fromkeys([*ALL_WELL, RPC], hangs)), chain=is_silent)
    async with world.running():
        began_at = trio.current_time()
        found = await world.ask()
        seconds = trio.current_time() - began_at
    hanging = [name for name in found if name not in {"pumpportal", "pumpapi", "solana-pools"}]
    assert {Gravity.ADVICE} == {found[name].gravity for name in hanging}
    assert all("no answer in 1 s" in found[name].says for name in hanging)
    assert seconds < PATIENCE_SECONDS / 2
    assert Gravity.FINE == found["pumpportal"].gravity


GARBAGE = [
    sends(b"<html>welcome</html>"),
    sends(b"\x00\xff"),
    answers({"code": 0}),
    answers("<html>"),
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_is_no_answer(garbage: Answer) -> None:
    world = World(http=WorldServer(routes=dict.fromkeys([*ALL_WELL, RPC], garbage)))
    async with world.running():
        found = await world.ask()
    asked_by_http = NAMES[4:]
    assert {Gravity.ADVICE} == {found[name].gravity for name in asked_by_http}


async def test_a_gateway_with_another_file_and_one_without_it_do_not_answer() -> None:
    for answer, says in (
        (sends(b"x" * 100_000), "another file"),
        (sends(b"", b"504 Gateway Time-out"), "HTTP 504"),
        (sends(b"", b"403 Forbidden"), "see metadata.gateways"),
    ):
        world = World()
        world.http.routes[GATEWAY] = answer
        async with world.running():
            found = await world.ask()
        assert says in found["ipfs 127.0.0.1"].says


async def test_a_slot_that_is_none_is_no_answer() -> None:
    world = World()
    world.http.routes[RPC] = RpcAnswers(world.http, slot="7")
    async with world.running():
        assert "is no slot" in (await world.ask())["chain rpc"].says


async def test_nobody_there_is_told_by_name() -> None:
    async with World().running(pumpapi_url="ws://127.0.0.1:9/", chain_rpc_url="") as world:
        found = await world.ask()
    assert Gravity.ADVICE == found["pumpapi"].gravity
    assert "without it: trades of all launch-pads" in found["pumpapi"].says
    assert "chain rpc" in found  # the stream's address, by HTTP


# Streams.


async def refuses_subscription(connection: WebSocketConnection) -> None:
    await connection.send_message(
        '{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}'
    )
    await trio.sleep_forever()


async def answers_another_call(connection: WebSocketConnection) -> None:
    await connection.send_message('{"jsonrpc":"2.0","result":1,"id":9}')
    await trio.sleep_forever()


async def speaks_html(connection: WebSocketConnection) -> None:
    await connection.send_message("<html>")
    await trio.sleep_forever()


async def closes(connection: WebSocketConnection) -> None:
    await connection.aclose(1008, "go away")


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (refuses_subscription, "does not take the subscription"),
        (answers_another_call, "does not take the subscription"),
        (speaks_html, "speaks another language: <html>"),
        (closes, "closed by the server: 1008 go away"),
    ],
)
async def test_a_stream_that_does_not_serve_is_told_of(talk: Conversation, says: str) -> None:
    async with World(chain=talk).running() as world:
        chain = (await world.ask())["chain"]
    assert Gravity.ADVICE == chain.gravity
    assert says in chain.says
    assert "without it: slots" in chain.says


async def test_a_stream_of_events_may_have_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.probes.FIRST_MESSAGE_SECONDS", 0.2)
    async with World(pumpapi=is_silent, chain=is_silent).running() as world:
        found = await world.ask()
    assert Gravity.FINE == found["pumpapi"].gravity
    assert "the connection stands" in found["pumpapi"].says
    assert "no word on the subscription in 0.2 s" in found["chain"].says


async def test_an_upgrade_that_is_refused_says_what_to_do() -> None:
    world = World()
    world.http.routes[b"/stream"] = sends(b"", b"401 Unauthorized")
    async with world.running() as running:
        url = f"{running.http.url.replace('http', 'ws', 1)}/stream"
        ingest = attrs.evolve(running.settings.ingest, chain_url=url)
        running.settings = attrs.evolve(running.settings, ingest=ingest)
        chain = (await running.ask())["chain"]
    assert "HTTP 401 at the upgrade; it does not serve this machine, or wants a key" in chain.says


async def test_a_second_connection_beside_the_service_is_not_risked() -> None:
    async with World().running() as world:
        gateway = attrs.evolve(world.settings.gateway, port=world.http.port)  # somebody listens
        world.settings = attrs.evolve(world.settings, gateway=gateway)
        found = await world.ask()
    for name in ("pumpportal", "pumpapi"):
        assert Gravity.OFF == found[name].gravity
        assert "allows one connection a client" in found[name].says
    assert Gravity.FINE == found["chain"].gravity
