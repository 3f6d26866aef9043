"""Messages and tokens as plain values: all of them come back, or are not said at all."""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import orjson
import pytest
from attrs import evolve, frozen

from domain.messages import (
    BirthReplayed,
    CensusTaken,
    CensusWanted,
    SolPriceTold,
    StatisticsPublished,
    TokensAdmitted,
    TokenUpdated,
    TradeSeen,
    WindowsQuoted,
)
from domain.plain import from_plain, to_plain
from domain.token import Status, Token
from domain.trading import TokenStatistics, WindowStatistics
from domain.values import Mint, Sol, UnixSeconds, Usd

MINT = Mint("A" * 44)
TOKEN = Token(
    mint=MINT,
    id=7,
    first_seen_at=UnixSeconds(1_760_000_000.1234567),
    name=' 币\n"',
    status=Status.BONDED,
    previous_status=Status.NEW,
    silent=False,
    provenance={"market": ("chain", UnixSeconds(2.5))},
)
TRADE = TradeSeen(
    mint=MINT, seen_at=UnixSeconds(1.0), signature="s", side="buy", sol=Sol(0.1), usd=Usd(2.0)
)
WINDOW = WindowStatistics(volume_usd=Usd(1.5), buys=2)


def update(**values: Any) -> TokenUpdated:
    return TokenUpdated(mint=MINT, observed_at=UnixSeconds(3.0), origin="ingest x", values=values)


@pytest.mark.parametrize(
    "message",
    [
        TOKEN,
        TRADE,
        update(price_usd=1e300, holder_count=2**60, silent=True, name="", status=Status.GRADUATING),
        SolPriceTold(usd=Usd(150.0), observed_at=UnixSeconds(4.0)),
        TokensAdmitted(tokens=(TOKEN, evolve(TOKEN, id=None))),
        BirthReplayed(entry_id="0123456789", token=TOKEN),
        WindowsQuoted(mint=MINT, observed_at=UnixSeconds(1.0), source="x", windows={"5m": WINDOW}),
        StatisticsPublished(
            statistics={
                MINT: TokenStatistics(observed_at=UnixSeconds(1.0), windows={"5m": WINDOW})
            },
        ),
        CensusWanted(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_comes_back_from_json_as_it_was(message: object) -> None:
    again = from_plain(orjson.loads(orjson.dumps(to_plain(message))))
    assert message == again
    assert repr(message) == repr(again)  # types as well: True is no 1, and a status no number


@frozen
class Stranger:
    """A message of which nothing is known here."""


class StrangePair(NamedTuple):
    """A tuple of which nothing is known here, and which equals a bare one."""

    one: int = 1
    other: int = 2


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        Stranger(),
        StrangePair(),
        update(colour=Colour.RED),
        update(price_usd=math.nan),
        update(holder_count=2**64),
        update(website="\ud800"),
        update(**{"\ud800": 1}),
        CensusTaken(watched={1: frozenset({MINT})}),
        update(Status=2),  # would come back as a status
        [1, 2],  # would come back as a tuple
    ],
    ids=repr,
)
def test_what_would_not_come_back_is_not_said(value: object) -> None:
    with pytest.raises(ValueError, match="plain values"):
        to_plain(value)


@pytest.mark.parametrize(
    "plain", [{"TradeSeen": {"no_such_field": 1}}, {"TradeSeen": 5}, {"Status": 9}]
)
def test_what_another_release_has_said_is_refused(plain: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match=r"fields|Status"):
        from_plain(plain)
