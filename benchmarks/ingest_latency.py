"""From a create frame to its commit, and to a client of the feed, at 50 creates a second.

    a PumpPortal peer on loopback -> the service, a process as in production -> Postgres
                                                                             -> a WebSocket client

The moment of a commit is the server's own (track_commit_timestamp); all clocks are this
machine's. Beside it the way it was: an INSERT for each frame into the seeds' table, at once and
without waiting for company, by a connection that does nothing else.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

import orjson
import trio
from trio_websocket import open_websocket_url

from benchmarks.results import Figure, Result
from benchmarks.world import Addresses, asked, schema_for_peer, servers
from commands.embedded import RunDirectory
from commands.storm.trace import Population, TokenBorn
from commands.storm.wide import AsItWas
from domain.token import Token
from tests.acceptance.service import Service, running_service, settings
from tests.acceptance.world import PumpPortalPeer, running_peer

CREATES_A_SECOND = 50
SECONDS, QUICK_SECONDS = 20, 3
SETTLING_SECONDS = 20.0  # for the last frames to arrive everywhere; then the run has failed
COMMITS = "SELECT mint, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM token"
Moments = dict[str, float]


def run(is_quick: bool) -> Result:
    creates = CREATES_A_SECOND * (QUICK_SECONDS if is_quick else SECONDS)
    with servers(track_commit_timestamp="on") as addresses, RunDirectory() as directory:
        population = Population(7, 1)
        tokens = [population.born(number, 0.0) for number in range(creates)]
        sent, committed, shown = trio.run(_through_service, addresses, directory, tokens)
        peer = trio.run(_through_peer, addresses, tokens)
    lines = [
        ("service: to the commit", *_latencies(sent, committed)),
        ("service: to a client", *_latencies(sent, shown)),
        ("INSERT a frame: to the commit", *peer),
    ]
    ratio = lines[0][2] / lines[2][2]
    return Result(
        name="ingest-latency",
        title=f"{creates:,} creates, {CREATES_A_SECOND} a second",
        headings=("way", "p50 ms", "p99 ms", "longest ms"),
        lines=lines,
        conclusion=(
            f"The group commit's p99 is {ratio:.1f} times that of an INSERT a frame, of which "
            "0.05 s is the wait for company that is set (ingest.commit_delay_seconds)."
        ),
        figures={"p99 beside an INSERT a frame": Figure(value=ratio, unit="ratio")},
    )


def _latencies(sent: Moments, arrived: Moments) -> tuple[float, float, float]:
    """Median, 99th percentile and longest, in milliseconds."""
    assert sent.keys() <= arrived.keys(), f"{len(sent.keys() - arrived.keys())} did not arrive"
    return _percentiles([(arrived[mint] - at) * 1000 for mint, at in sent.items()])


def _percentiles(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    parts = quantiles(milliseconds, n=100)
    return parts[49], parts[98], max(milliseconds)


async def _through_service(
    addresses: Addresses, directory: Path, tokens: Sequence[Token]
) -> tuple[Moments, Moments, Moments]:
    """When each frame was sent, committed and shown."""
    shown: Moments = {}
    async with running_peer() as peer:
        environment = settings(addresses.postgres, addresses.redis, INGEST__URL=peer.url)
        async with running_service(directory, environment) as service:
            sent = await _shown_while_saying(service, peer, tokens, shown)
        committed = dict(await trio.to_thread.run_sync(asked, addresses.postgres, COMMITS))
    return sent, committed, shown


async def _shown_while_saying(
    service: Service, peer: PumpPortalPeer, tokens: Sequence[Token], shown: Moments
) -> Moments:
    """Send the frames while a client watches; when each was due."""
    sent: Moments = {}
    with trio.move_on_after(len(tokens) / CREATES_A_SECOND + SETTLING_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(_watch_feed, service, shown, len(tokens))
            sent = await _say(peer, tokens)
    return sent


async def _say(peer: PumpPortalPeer, tokens: Sequence[Token]) -> Moments:
    """Send a create frame for each token, evenly; when each was due."""
    sent: Moments = {}
    started = trio.current_time()
    for number, token in enumerate(tokens):
        await trio.sleep_until(started + number / CREATES_A_SECOND)
        sent[token.mint] = time.time()
        peer.say(_frame(number, token))
    return sent


def _frame(number: int, token: Token) -> dict[str, object]:
    """As recorded from PumpPortal in July 2026."""
    return {
        "signature": f"{number:088d}",
        "mint": token.mint,
        "traderPublicKey": token.creator_wallet,
        "txType": "create",
        "initialBuy": 27534883.660147,
        "solAmount": 0.790123455,
        "bondingCurveKey": token.bonding_curve_key,
        "vTokensInBondingCurve": 1045465116.339853,
        "vSolInBondingCurve": 30.79012345499999,
        "marketCapSol": 29.451124646602683,
        "name": token.name,
        "symbol": token.symbol,
        "uri": token.metadata_uri,
        "is_mayhem_mode": False,
        "pool": "pump",
    }


async def _watch_feed(
    service: Service,
    shown: Moments,
    count: int,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Note when each token first comes over a WebSocket, until `count` have come."""
    async with open_websocket_url(service.websocket_url) as connection:
        await connection.send_message('{"type": "subscribe", "board": "new"}')
        while len(shown) < count:
            message = orjson.loads(await connection.get_message())
            now = time.time()
            for item in (*message.get("items", ()), *message.get("changes", ())):
                shown.setdefault(item["mint"], now)
            if message["type"] == "snapshot":
                task_status.started()


async def _through_peer(
    addresses: Addresses, tokens: Sequence[Token]
) -> tuple[float, float, float]:
    peer = AsItWas(schema_for_peer(addresses))
    milliseconds = []
    try:
        await peer.prepare(Population(8, 1000))
        started = trio.current_time()
        for number, token in enumerate(tokens):
            await trio.sleep_until(started + number / CREATES_A_SECOND)
            due = time.perf_counter()
            await peer.take(TokenBorn(at_seconds=0.0, token=token))
            milliseconds.append((time.perf_counter() - due) * 1000)
    finally:
        await peer.close()
    return _percentiles(milliseconds)
