"""What clients are sent, plain and deflated: bytes, and CPU of the gateway.

    boards of 100 tokens with everything known  ->  a snapshot, deltas of 1 to 30 changes
    deflated once for all  |  once for each client, as permessage-deflate would
    the fan-out of a round to 500 clients on sockets, all of them plain, or all deflated

Times are CPU of this process, the best of some rounds; a fan-out is the service's own, from the
round of deltas to the sockets.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from time import process_time, thread_time

import attrs
import trio
from attrs import define, field

from benchmarks.results import Result
from domain.token import Token
from domain.trading import COUNTED, WINDOW_SECONDS, TokenStatistics, WindowStatistics
from domain.values import Sol, UnixSeconds, Usd
from feed.board import Boards, DeltaRound
from feed.catalogue import Catalogue
from feed.descriptors import allow_descriptors
from feed.frames import DeflatedFrames
from feed.hub import Hub
from feed.outgoing import Outgoing
from feed.session import ClientSession
from feed.session_stream import SessionStream
from feed.views import Views
from tests.unit.feed.tokens import NOW, mint_of
from tests.unit.feed.worlds import SETTINGS, Conditions

CLIENTS, QUICK_CLIENTS = 500, 50
ROUNDS, QUICK_ROUNDS = 40, 10
TOKENS = 100  # on the board
CHANGES = (1, 3, 10, 30)  # of a delta; half of a demo's have one or two
FOLLOWED = frozenset({"new"})
LARGEST_ROUND = 1 << 17  # bytes; less than a socket takes at once
SOURCES = ("chain", "pumpportal", "pumpapi", "jupiter", "dexscreener")


@define
class Line:
    """One message and its costs; CPU in microseconds."""

    name: str
    plain_bytes: int
    deflated_bytes: int
    once: float  # to deflate it
    plain_frame: float | None = None  # of a fan-out, a client
    deflated_frame: float | None = None

    @property
    def ratio(self) -> float:
        return self.plain_bytes / self.deflated_bytes


def run(is_quick: bool) -> Result:
    clients, rounds = (QUICK_CLIENTS, QUICK_ROUNDS) if is_quick else (CLIENTS, ROUNDS)
    lines = trio.run(_measure, clients, rounds)
    snapshot, *deltas = lines
    largest = deltas[-1]
    assert largest.deflated_frame is not None
    return Result(
        name="wire-size",
        title=f"A board of {TOKENS} tokens on the wire, and a round to {clients} clients",
        headings=(
            "message",
            "bytes",
            "deflated",
            "times smaller",
            "us to deflate once",
            f"us for each of {clients}",
            "us a frame, plain",
            "us a frame, deflated",
        ),
        lines=[
            (
                line.name,
                line.plain_bytes,
                line.deflated_bytes,
                line.ratio,
                line.once,
                line.once * clients,
                line.plain_frame,
                line.deflated_frame,
            )
            for line in lines
        ],
        conclusion=(
            f"Deflated, a snapshot is {snapshot.ratio:.1f} times smaller, and a delta of "
            f"{CHANGES[-1]} changes {largest.ratio:.1f} times, for {largest.once:.0f} us a "
            f"publication: {largest.once / clients:.2f} us a client."
        ),
        figures={"snapshot_ratio": snapshot.ratio, "delta_ratio": largest.ratio},
    )


async def _measure(clients: int, rounds: int) -> list[Line]:
    allow_descriptors(2 * clients + 100)
    market = Market()
    market.boards.publish_changes()
    lines = [_measure_size("snapshot", market.boards.snapshot_message("new"))]
    for count in CHANGES:
        line = _measure_size(f"delta of {count}", market.make_round(count).deltas["new"])
        line.plain_frame, line.deflated_frame = [
            await _measure_frame(market, count, clients, rounds, is_deflated=is_deflated)
            for is_deflated in (False, True)
        ]
        lines.append(line)
    return lines


async def _measure_frame(
    market: "Market", changes: int, clients: int, rounds: int, *, is_deflated: bool
) -> float:
    """Microseconds of CPU for one client's share of a fan-out."""
    async with _crowd(market.boards, clients, is_deflated=is_deflated) as crowd:
        seconds = [await crowd.measure_round(market.make_round(changes)) for _ in range(rounds)]
    return min(seconds) * 1e6 / clients


def _measure_size(name: str, message: bytes) -> Line:
    def deflate() -> bytes:
        return DeflatedFrames().frame_message(message)

    return Line(name, len(message), len(deflate()), _cpu_of(deflate) * 1e6)


def _cpu_of(work: Callable[[], object], rounds: int = 5, times: int = 40) -> float:
    """Seconds of CPU, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = thread_time()
        for _ in range(times):
            work()
        best = min(best, (thread_time() - started) / times)
    return best


# The boards, and what happens on them.


@define
class Market:
    """Boards whose tokens have every value, and trades that change them."""

    random: Random = field(factory=lambda: Random(1))
    boards: Boards = field(init=False)

    def __attrs_post_init__(self) -> None:
        catalogue = Catalogue(2 * TOKENS)
        self.boards = Boards(
            catalogue=catalogue,
            views=Views(catalogue=catalogue, clock=lambda: NOW, most=0),
            board_tokens=TOKENS,
            history_limit=1000,
            epoch="0e0b4944e4d676b9",
        )
        for number in range(TOKENS):
            catalogue.put_token(self._trade(self._make_token(number)))

    def make_round(self, count: int) -> DeltaRound:
        """A round in which so many tokens were traded."""
        catalogue = self.boards.catalogue
        for mint in self.random.sample(list(catalogue.tokens), count):
            catalogue.put_token(self._trade(catalogue.tokens[mint]))
        delta_round = self.boards.publish_changes()
        assert delta_round is not None
        return delta_round

    def _make_token(self, number: int) -> Token:
        word = self.random.randbytes(4).hex()
        return Token(
            mint=mint_of(self.random.getrandbits(240)),
            first_seen_at=UnixSeconds(NOW - 600 * self.random.random()),
            symbol=word[:5].upper(),
            name=f"{word} coin",
            metadata_uri=f"https://ipfs.io/ipfs/{mint_of(self.random.getrandbits(240))}",
            image_url=f"https://ipfs.io/ipfs/{mint_of(self.random.getrandbits(240))}",
            creator_wallet=mint_of(self.random.getrandbits(240)),
            bonding_curve_key=mint_of(self.random.getrandbits(240)),
            twitter=f"https://x.com/{word}",
            description=f"The {word} of number {number}, for everybody who likes such.",
            launchpad="pump",
            decimals=6,
            total_supply="1000000000",
        )

    def _trade(self, token: Token) -> Token:
        random = self.random
        at = UnixSeconds(NOW + 600 * random.random())
        origin = (random.choice(SOURCES), at)
        return attrs.evolve(
            token,
            bonding_curve_progress=round(80 * random.random(), 3),
            market_cap_sol=Sol(round(400 * random.random(), 3)),
            market_cap_usd=Usd(round(60_000 * random.random(), 1)),
            price_usd=Usd(round(6e-5 * random.random(), 10)),
            liquidity_usd=Usd(round(20_000 * random.random(), 1)),
            last_trade_at=at,
            last_updated_at=at,
            holder_count=random.randrange(2000),
            provenance=dict.fromkeys(("lifecycle", "market", "holders", "profile"), origin),
            statistics=TokenStatistics(
                observed_at=at,
                windows={name: self._make_window() for name in WINDOW_SECONDS},
                sources=dict.fromkeys(WINDOW_SECONDS, COUNTED),
                wash_score=round(random.random(), 3),
            ),
        )

    def _make_window(self) -> WindowStatistics:
        random = self.random
        return WindowStatistics(
            volume_usd=Usd(round(50_000 * random.random(), 2)),
            volume_sol=Sol(round(300 * random.random(), 3)),
            buys=random.randrange(500),
            sells=random.randrange(500),
            unique_traders=random.randrange(300),
            price_change=round(1000 * random.random(), 2),
        )


# The clients.


@define
class Crowd:
    """Clients of one hub that follow one board, and take what they are sent."""

    hub: Hub
    clients: list[trio.SocketStream]  # their ends of the connections

    async def measure_round(self, delta_round: DeltaRound) -> float:
        """Seconds of CPU until a round of deltas is in every socket."""
        started = process_time()
        await self.hub.send_round(delta_round)
        seconds = process_time() - started
        assert not any(each.outgoing.queued_bytes for each in self.hub.sessions.values())
        for client in self.clients:
            assert await client.receive_some(LARGEST_ROUND), "closed"
        return seconds


@asynccontextmanager
async def _crowd(boards: Boards, count: int, *, is_deflated: bool) -> AsyncIterator[Crowd]:
    hub = Hub(SETTINGS, boards, lambda presence: None, Conditions(), Random(1))
    crowd = Crowd(hub, [])
    async with AsyncExitStack() as sockets, trio.open_nursery() as nursery:
        for number in range(count):
            ours, theirs = map(trio.SocketStream, trio.socket.socketpair())
            crowd.clients.append(await sockets.enter_async_context(theirs))
            outgoing = Outgoing(await sockets.enter_async_context(ours), nursery, 10.0)
            stream = SessionStream(outgoing, b"", b"", LARGEST_ROUND, trio.CapacityLimiter(1))
            session = hub.sessions[number] = ClientSession(number, hub.broadcast, stream)
            session.following = FOLLOWED
            session.deflated = FOLLOWED if is_deflated else frozenset()
        yield crowd
        nursery.cancel_scope.cancel()
