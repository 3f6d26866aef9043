"""Some hundred tokens of every kind, and how the owner's Prisma client must show each.

Numbers have what both `real` and numeric(65,30) keep, so that the owner's table and this service's
view hold the same rows; what only one of them holds has tests of its own.
"""

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
from attrs import frozen

from domain.precision import round_value
from domain.token import FIELDS, Status, Token, with_values
from domain.values import UnixSeconds, Value
from tests.contract.store_world import (
    DAY_SECONDS,
    NOW,
    a_change,
    a_token,
    after,
    postgres_world,
    write,
)
from tests.owner.backend import SOURCE, PrismaClient

Row = dict[str, Any]

TOKENS = 400
TYPES: Mapping[str, type] = {
    "String": str,
    "Decimal": Decimal,
    "DateTime": datetime,
    "Int": int,
    "Boolean": bool,
}


@frozen
class Column:
    """A column of the owner's model."""

    name: str
    type: type
    is_required: bool


def columns_of_model(model: str) -> dict[str, Column]:
    """The columns that schema.prisma says the model has, in its order."""
    schema = (SOURCE / "schema.prisma").read_text(encoding="utf-8")
    [body] = re.findall(rf"^model {model} \{{$(.*?)^\}}$", schema, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^  (\w+) +(\w+)(\??)", body, re.MULTILINE)
    return {name: Column(name, TYPES[kind], not optional) for name, kind, optional in found}


COLUMNS = columns_of_model("TokenDiscovery")


@frozen
class PrismaWorld:
    """The client on a database, and the rows that it must find there, by mint and without id."""

    client: PrismaClient
    rows: Mapping[str, Row]

    def rows_where(self, **values: object) -> list[Row]:
        return [row for row in self.rows.values() if values.items() <= row.items()]


def without_id(row: Mapping[str, Any]) -> Row:
    return {name: value for name, value in row.items() if name != "id"}


# -- The tokens ----------------------------------------------------------------------------


def born_tokens() -> list[Token]:
    """From those of which nothing but the mint is known to those of which all is."""
    return [
        *(a_bare_token(number) for number in range(40)),
        *(a_named_token(number) for number in range(40, TOKENS)),
        *(a_named_token(number, first_seen_at=after(number - 5 * DAY_SECONDS)) for number in OLD),
    ]


OLD = range(TOKENS, TOKENS + 20)  # off the feed; every other one had bonded and is kept


def a_bare_token(number: int) -> Token:
    return attrs.evolve(
        a_token(number), symbol=None, name=None, pool_type=None, bonding_curve_progress=None
    )


def a_named_token(number: int, **more: Any) -> Token:
    names = (f"Name {number}", f" 名前 {number} ", f"l'été “{number}”", f"🚀{number}\u200b%_\\", "")
    return a_token(
        number,
        name=names[number % len(names)],
        creator_wallet=f"creator {number % 7}",
        decimals=6,
        total_supply="1000000000",
        **more,
    )


def values_of(number: int) -> dict[str, Value]:
    """What is learnt of the token after its birth; nothing of some."""
    if number % 10 == 3:
        return {}
    dice = random.Random(number)
    numbers: dict[str, Value] = {
        name: round_value(name, 10 ** dice.uniform(-9, 9))
        for name in ("price_usd", "market_cap_usd", "liquidity_usd", "volume_24h", "volume_24h_sol")
    }
    status = status_of(number)
    return numbers | {
        "price_change_24h": round_value("price_change_24h", dice.uniform(-100, 1000)),
        "volume_change_24h": 0.0,
        "bonding_curve_progress": round_value("bonding_curve_progress", dice.uniform(0, 100)),
        "sol_raised": round_value("sol_raised", dice.uniform(0, 85)),
        "sol_to_graduate": 1e-9,
        "tx_count_24h": dice.choice((0, 2**31 - 1)),
        "buys_24h": dice.randrange(1000),
        "sells_24h": 0,
        "unique_traders_24h": dice.randrange(500),
        "last_trade_at": float(NOW + number),
        "holder_count": dice.randrange(10_000),
        "hot_score": round(dice.uniform(0, 100), 4),
        "watcher_count": dice.randrange(5),
        "status": int(status),
        **({"previous_status": int(status) - 1, "status_changed_at": NOW + 60.0} if status else {}),
        "silent": number % 7 == 0 and status < Status.BONDED,
        "freeze_revoked": dice.random() < 0.5,
        "mint_renounced": dice.random() < 0.5,
        "description": f"牛 'quoted' \"double\" {number}",
        "twitter": "https://x.com/a?b=c&d",
        "image_url": "ipfs://picture",
    }


def status_of(number: int) -> Status:
    if number in OLD:
        return Status.BONDED if number % 2 else Status.NEW
    return (Status.NEW, Status.NEW, Status.GRADUATING, Status.BONDED)[number % 4]


def kept_tokens() -> list[Token]:
    """What the service has of them all when the old ones that never bonded are gone."""
    grown = [_grown(number, token) for number, token in enumerate(born_tokens())]
    return [t for t in grown if t.status is Status.BONDED or t.first_seen_at >= NOW]


def _grown(number: int, token: Token) -> Token:
    values = values_of(number)
    return with_values(token, values, max(after(1), token.first_seen_at)) if values else token


async def store_tokens(url: str, **more: Any) -> None:
    """Write them all as the service does, until only those that are kept are there."""
    world = postgres_world(url, status_words="LAUNCHING", hot_score_form="raw", **more)
    store, tokens = await world.stored(*born_tokens())
    known = [(token, values_of(number)) for number, token in enumerate(tokens)]
    await write(store, [a_change(token, 1, **values) for token, values in known if values])
    for _ in range(8):  # each does a day's worth at most
        await store.drop_unretained(NOW)
    await world.close()


# -- How the owner's client shows them ------------------------------------------------------


def row_of(token: Token) -> Row:
    """The columns of the owner's model but `id`; what the token lacks is as the model's default."""
    known = {rule.wire: _shown(name, token) for name, rule in FIELDS.items() if rule.wire}
    row = {name: known.get(name) for name in COLUMNS if name != "id"}
    for name, value in DEFAULTS.items():
        if row[name] is None:
            row[name] = value
    row["mintAuthorityRevoked"] = row["mintRenounced"]
    row["state"] = token.status.name.lower()
    row["status"] = shown_status_of(token)
    row["previousState"] = (
        None if token.previous_status is None else token.previous_status.name.lower()
    )
    for name in ("lastUpdatedAt", "stateChangedAt"):
        row[name] = row[name] or row["firstSeenAt"]
    return row


# Of what is not known, as a row has it that a create of Prisma's made.
DEFAULTS = {
    "bondingCurveProgress": Decimal(0),
    "creatorVerified": False,
    "freezeRevoked": False,
    "mintRenounced": False,
    "sellable": True,
    "hotScore": Decimal(0),
    **dict.fromkeys(("volume24hSol", "solRaised", "solToGraduate", "tradeFailRate"), Decimal(0)),
    **dict.fromkeys(("buys24h", "sells24h", "uniqueTraders24h", "watcherCount"), 0),
}


def shown_status_of(token: Token) -> str:
    if token.status is Status.BONDED:
        return "BONDED"
    if token.silent:
        return "DEAD"
    if token.status is Status.GRADUATING:
        return "ABOUT_TO_BOND"
    return "LAUNCHING" if token.hot_score is None else "ACTIVE"  # by its first counted trade


def _shown(name: str, token: Token) -> Any:
    value = getattr(token, name)
    if FIELDS[name].is_time and value is not None:
        return to_datetime(value)
    return Decimal(repr(value)) if isinstance(value, float) else value


def to_datetime(at: UnixSeconds) -> datetime:
    """In whole milliseconds, as Prisma's DateTime has them."""
    return datetime.fromtimestamp(round(at * 1000) / 1000, UTC)
