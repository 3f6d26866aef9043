"""A world of coins, and streams that tell of it: each with its lag, its words and its cuts.

The same seed makes the same world and the same cuts.
"""

from collections.abc import Iterable, Sequence
from random import Random

import attrs
import trio
from attrs import define, frozen

from actors.sync.table import TokenTable
from domain.merging import Observations
from domain.messages import MigrationSeen, PoolCreated, SourceEvent, TokensAdmitted, TokenUpdated
from domain.token import Token
from domain.values import Mint, Sol
from supervision import Outbox
from tests.unit.actors.ingest.events import altered, created, migrated, traded
from tests.unit.actors.world import at, mint


@frozen
class Cut:
    """A time, in seconds of the test, in which a stream hears nothing."""

    begin: float
    end: float

    def hides(self, second: float) -> bool:
        return self.begin <= second < self.end


@define
class StreamOfWorld:
    """Sends the events that it can hear, each its lag after it happened."""

    source: str
    lag_seconds: float
    happenings: Sequence[tuple[float, SourceEvent]]
    cuts: Sequence[Cut] = ()
    sent: int = 0

    async def run(self, events: Outbox[SourceEvent]) -> None:
        for second, event in self.happenings:
            await trio.sleep_until(second + self.lag_seconds)
            if not any(cut.hides(trio.current_time()) for cut in self.cuts):
                await events.send(self.tell(second, event))
                self.sent += 1

    def tell(self, second: float, event: SourceEvent) -> SourceEvent:
        """What this stream says of it: PumpPortal knows neither time nor the address of a pool."""
        seen_at = at(second + self.lag_seconds)
        if self.source != "pumpportal":
            assert not isinstance(event, PoolCreated)
            return altered(event, source=self.source, seen_at=seen_at, at=at(second // 1))
        if isinstance(event, MigrationSeen):
            event = attrs.evolve(event, pool_address=None)
        return altered(event, source=self.source, seen_at=seen_at)


def make_world(random: Random, seconds: float) -> list[tuple[float, SourceEvent]]:
    """(second, what happens), in order: births, trades of them, migrations of some."""
    happenings: list[tuple[float, SourceEvent]] = []
    number, second = 0, 0.5
    while second < seconds - 20:
        number += 1
        happenings.append((second, created(number, second, signature=f"create {number}")))
        for trade in range(random.randrange(8)):
            later = second + random.uniform(0.0, 15.0)
            happenings += _one_transaction(random, number, later, f"trade {number} {trade}")
        if random.random() < 0.1:
            moved = attrs.evolve(migrated(number, second), pool_address=mint(50_000 + number))
            happenings.append((second + random.uniform(0.1, 15.0), moved))
        second += random.expovariate(1 / 2.0)
    return sorted(happenings, key=lambda happening: happening[0])


def _one_transaction(
    random: Random, number: int, second: float, signature: str
) -> Iterable[tuple[float, SourceEvent]]:
    """One trade, or several in one transaction."""
    for ordinal in range(random.choice((1, 1, 1, 3))):
        sol = Sol(random.uniform(0.01, 2.0))
        yield second, traded(number, second, signature=signature, ordinal=ordinal, sol=sol)


def make_cuts(random: Random, number: int, seconds: float) -> list[Cut]:
    """Cuts at random moments, of some seconds each."""
    begins = sorted(random.uniform(0.0, seconds) for _ in range(number))
    return [Cut(begin, begin + random.uniform(0.2, 12.0)) for begin in begins]


def fold_messages(messages: Iterable[object]) -> dict[Mint, Token]:
    """Every token as sync's table has it after the messages."""
    table = TokenTable(limit=1_000_000)
    for message in messages:
        if isinstance(message, TokensAdmitted):
            for token in message.tokens:
                table.admit_token(token)
        elif isinstance(message, TokenUpdated):
            observed = Observations(dict(message.values), message.observed_at)
            table.apply_observations(message.mint, table.select_new(message.mint, observed))
    return table.published
