"""Updates a second through the whole path: mailbox -> sync -> buffer (Redis) -> flush (Postgres).

The real sync serves its real mailbox while one sender, in the same thread as in the service,
offers updates at a rate, or as fast as it can; a flush every second. Statements and WAL a commit
must not follow the offered rate, nor must what waits, and the mailbox's books must balance.
Beside it the way it was: each update an UPDATE of its own on the seeds' table.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from time import perf_counter

import trio
from attrs import frozen

from benchmarks.results import Figure, Result
from benchmarks.world import Addresses, SyncWorld, schema_for_peer, servers, settings_for
from commands.storm.trace import JobRan, Population, changed_values
from commands.storm.wide import AsItWas
from domain.chunks import chunks
from domain.messages import TokensAdmitted, TokenUpdated
from domain.token import Token
from domain.values import Mint
from supervision.garbage_collection import freeze_startup_objects
from supervision.mailbox_statistics import MailboxStatistics

TOKENS = 2000
FLAT_OUT = 0  # as a rate
RATES, QUICK_RATES = (10_000, 50_000, 100_000, FLAT_OUT), (10_000, 100_000, FLAT_OUT)
SECONDS, QUICK_SECONDS = 6.0, 3.0
BURST = 250  # updates that are sent together
VARIANTS = 64  # different values that a token is offered


@frozen(kw_only=True)
class Passage:
    """What became of the updates of one run."""

    offered: int
    mailbox: MailboxStatistics  # once it was empty
    most_waiting: int
    appended: int  # changes that the buffer took
    seconds: float
    commits: int
    statements: int
    rows: int
    wal_bytes: int


def run(is_quick: bool) -> Result:
    rates, seconds = (QUICK_RATES, QUICK_SECONDS) if is_quick else (RATES, SECONDS)
    passages, peer = [], 0.0
    for rate in rates:
        with servers() as addresses:
            passages.append((rate, trio.run(_pass, addresses, rate, seconds)))
            if rate == rates[-1]:
                peer = trio.run(_peer_rate, addresses, seconds / 3)
    return Result(
        name="whole-path",
        title=f"Updates of {TOKENS:,} tokens from the mailbox to Postgres, a flush a second",
        headings=(
            "rate", "offered/s", "conflated/s", "appended/s", "most waiting", "statements/commit",
            "rows/commit", "WAL kB/commit", "UPDATE a row/s", "ratio",
        ),
        lines=[_shown(rate, passage, peer) for rate, passage in passages],
        conclusion=(
            "Every last value that was offered was read back from Postgres; every update sent "
            "was handled or conflated."
        ),
        figures={
            "flat out, beside an UPDATE a row": Figure(
                value=passages[-1][1].offered / passages[-1][1].seconds / peer,
                unit="ratio",
                more_is_better=True,
            )
        },
    )  # fmt: skip


def _shown(rate: int, passage: Passage, peer: float) -> list[str | float]:
    commits = max(passage.commits, 1)
    offered = passage.offered / passage.seconds
    return [
        f"{rate:,}/s" if rate else "flat out",
        offered,
        passage.mailbox.conflated / passage.seconds,
        passage.appended / passage.seconds,
        passage.most_waiting,
        passage.statements / commits,
        passage.rows / commits,
        passage.wal_bytes / commits / 1000,
        peer,
        offered / peer,
    ]


async def _pass(addresses: Addresses, rate: int, seconds: float) -> Passage:
    world = SyncWorld(settings_for(addresses, SYNC__INTERVAL_SECONDS="1"))
    try:
        await world.store.open()
        tokens: list[Token] = []
        for part in chunks(Population(7, TOKENS), 1000):
            stored, _ = await world.store.insert_tokens(part)
            tokens += stored
        freeze_startup_objects()  # as the service does when it is ready
        return await _offered(world, tokens, (rate, seconds))
    finally:
        await world.close()


async def _offered(world: SyncWorld, tokens: Sequence[Token], load: tuple[int, float]) -> Passage:
    mailbox = world.mailboxes.updates
    before = world.ledger.totals["sync"]
    started = perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sync.run)
        await mailbox.send(TokensAdmitted(tokens=tuple(tokens)))
        offered, last, most_waiting = await _offer(world, tokens, *load)
        seconds = perf_counter() - started
        mailbox.close()  # sync empties it, commits once more and returns
    after = world.ledger.totals["sync"]
    await _require_stored(world, last)
    books = mailbox.statistics()
    assert books.sent == offered + 1 == books.handled + books.conflated, f"unbalanced: {books}"
    return Passage(
        offered=offered,
        mailbox=books,
        most_waiting=most_waiting,
        appended=world.sync.counts["appended"],
        seconds=seconds,
        commits=after.commits - before.commits,
        statements=after.statements - before.statements,
        rows=after.rows - before.rows,
        wal_bytes=after.wal_bytes - before.wal_bytes,
    )


async def _offer(
    world: SyncWorld, tokens: Sequence[Token], rate: int, seconds: float
) -> tuple[int, dict[Mint, float], int]:
    """Send updates for so long; how many, each token's last price, and the most that waited."""
    mailbox = world.mailboxes.updates
    values = [changed_values(f"variant/{number}") for number in range(VARIANTS)]
    last: dict[Mint, float] = {}
    offered, most_waiting, started = 0, 0, trio.current_time()
    turns = zip(cycle(tokens), cycle(values[:-1]), strict=False)  # 2,000 and 63: all pairs come
    while (elapsed := trio.current_time() - started) < seconds:
        if rate and offered >= elapsed * rate:
            await trio.sleep(BURST / rate)
        now, burst = world.clock(), list(islice(turns, BURST))
        last |= {token.mint: float(chosen["market_cap_usd"]) for token, chosen in burst}
        await mailbox.send_all(
            TokenUpdated(mint=token.mint, observed_at=now, origin="market-data", values=chosen)
            for token, chosen in burst
        )
        offered += BURST
        most_waiting = max(most_waiting, mailbox.statistics().depth)
    return offered, last, most_waiting


async def _require_stored(world: SyncWorld, last: dict[Mint, float]) -> None:
    stored: dict[Mint, Token] = {}
    for part in chunks(last, 1000):
        stored |= await world.store.find_tokens(part)
    wrong = [mint for mint, cap in last.items() if _differs(stored[mint], cap)]
    assert not wrong, f"{len(wrong)} tokens are not as last offered"


def _differs(token: Token, cap: float) -> bool:
    return token.market_cap_usd is None or abs(token.market_cap_usd / cap - 1) > 1e-5


async def _peer_rate(addresses: Addresses, seconds: float) -> float:
    """Updates a second, one UPDATE each."""
    peer = AsItWas(schema_for_peer(addresses))
    population = Population(7, TOKENS)
    await peer.prepare(population)
    mints = [token.mint for token in population]
    started, sent = perf_counter(), peer.counts.statements
    number = 0
    while perf_counter() - started < seconds:
        chosen = mints[number * BURST % TOKENS :][:BURST]
        values = changed_values(f"peer/{number}")
        updates = dict.fromkeys(chosen, values)
        await peer.take(JobRan(at_seconds=0.0, job="market-data", updates=updates))
        number += 1
    rate = (peer.counts.statements - sent) / (perf_counter() - started)
    await peer.close()
    return rate
