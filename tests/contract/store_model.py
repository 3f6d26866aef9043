"""A model of what Postgres must hold after any history of flushes, and what brings that about."""

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import trio
from attrs import Factory, define, field

from commands.embedded import EmbeddedPostgres
from domain.errors import StoreUnavailable
from domain.precision import round_value
from domain.token import Token
from domain.values import Value
from store import StoredChange, TokenStore
from tests.contract.store_world import (
    NOW,
    StoreWorld,
    a_change,
    a_token,
    asked,
    postgres_world,
)
from tests.patience import PATIENCE_SECONDS

TOKENS = 300
FIELDS = ("price_usd", "hot_score", "holder_count", "status", "last_trade_at", "silent", "twitter")

Values = dict[str, Value]


@define
class Model:
    """What must be in Postgres: all that was acknowledged, and perhaps the write in flight."""

    tokens: Sequence[Token]
    dice: random.Random
    version: int = 0
    values: dict[int, Values] = Factory(dict)  # acknowledged, by token id
    in_flight: Sequence[StoredChange] = ()
    acknowledged: int = field(default=0, init=False)

    def next_changes(self) -> list[StoredChange]:
        self.version += 1
        chosen = self.dice.sample(self.tokens, self.dice.randint(1, TOKENS))
        self.in_flight = [a_change(token, self.version, **self.next_values()) for token in chosen]
        return list(self.in_flight)

    def next_values(self) -> Values:
        dice = self.dice
        values: Values = {
            "price_usd": round_value("price_usd", dice.random()),
            "hot_score": round_value("hot_score", dice.random() * 50_000),
            "holder_count": dice.randrange(1000),
            "status": dice.randrange(3),
            "last_trade_at": NOW + dice.randrange(100_000),
            "silent": dice.random() < 0.5,
        }
        if dice.random() < 0.05:
            values["twitter"] = str(self.version)
        names = dice.sample(sorted(values), dice.randint(1, len(values)))
        return {name: values[name] for name in names}

    def acknowledge(self) -> None:
        self.values = self.with_in_flight()
        self.in_flight = ()
        self.acknowledged += 1

    def with_in_flight(self) -> dict[int, Values]:
        after = {token_id: dict(values) for token_id, values in self.values.items()}
        for token_id, change in self.in_flight:
            known = after.setdefault(token_id, {})
            status = max(int(change.values.get("status", 0)), int(known.get("status", 0)))
            known.update(change.values)
            if "status" in known:
                known["status"] = status
        return after

    def recover(self, found: dict[int, Values]) -> None:
        """Take what was found as the truth, which it may be in one of two ways."""
        before, after = self.rows(self.values), self.rows(self.with_in_flight())
        assert found in (before, after)
        if found == after:
            self.acknowledge()
        self.in_flight = ()

    def rows(self, values: dict[int, Values]) -> dict[int, Values]:
        """As the view shows them, with the defaults of what is not known."""
        unknown: dict[str, Value | None] = {**dict.fromkeys(FIELDS), "status": 0, "silent": False}
        return {t.id: {**unknown, **values.get(t.id, {})} for t in self.tokens if t.id is not None}  # type: ignore[dict-item]


async def seen_rows(url: str, view: str = "token_shown") -> dict[int, Values]:
    """What readers see, or with `token_now` what the service does."""
    rows = await asked(url, f"SELECT id, {', '.join(FIELDS)} FROM {view} ORDER BY id")
    return {row[0]: dict(zip(FIELDS, row[1:], strict=True)) for row in rows}


async def differing_rows(url: str) -> list[tuple[Any, ...]]:
    """Rows of the view that the logged tables tell otherwise; none at any moment."""
    return await asked(
        url,
        """WITH rows AS (TABLE token_discovery_now), logged AS (TABLE token_discovery_logged)
        SELECT 'shown', * FROM (TABLE rows EXCEPT TABLE logged) AS shown
        UNION ALL SELECT 'hidden', * FROM (TABLE logged EXCEPT TABLE rows) AS hidden""",
    )


async def crash(server: EmbeddedPostgres, dice: random.Random) -> None:
    """End the server as an immediate shutdown does, or as a power cut, and start it again."""
    ended = server.kill if dice.random() < 0.3 else partial(server.stop, "immediate")
    await trio.to_thread.run_sync(ended)
    await trio.to_thread.run_sync(server.start)


async def flushed_world(
    server: EmbeddedPostgres, dice: random.Random, *, stats_logged: bool = False
) -> tuple[StoreWorld, TokenStore, Model]:
    world = postgres_world(server.url, stats_logged=stats_logged)
    store, tokens = await world.stored(*(a_token(number) for number in range(TOKENS)))
    return world, store, Model(tokens, dice)


async def until_open(store: TokenStore) -> None:
    """The first call may still find the dead session."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                await store.open()
            except StoreUnavailable:
                await trio.sleep(0.02)
            else:
                return
