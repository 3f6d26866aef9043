"""How PumpAPI's trades are told apart: several of one transaction, and repetitions."""

from typing import Any

from domain.messages import TradeSeen
from domain.values import Sol
from sources.pumpapi import TradeNumbers
from tests.unit.actors.ingest.events import traded


def trade(sol: float, **fields: Any) -> TradeSeen:
    return traded(1, sol=Sol(sol), **{"signature": "s"} | fields)


def numbers(*trades: TradeSeen, limit: int = 10) -> list[tuple[str, str, int, float | None]]:
    memory = TradeNumbers(limit=limit)
    new = [event for each in trades for event in memory.number_trades([each])]
    return [(t.signature, t.side, t.ordinal, t.sol) for t in new]


def test_trades_of_one_transaction_are_counted_from_0_by_side() -> None:
    said = (trade(1.0), trade(2.0), trade(3.0, side="sell"), trade(4.0))
    expected = [
        ("s", "buy", 0, 1.0),
        ("s", "buy", 1, 2.0),
        ("s", "sell", 0, 3.0),
        ("s", "buy", 2, 4.0),
    ]
    assert expected == numbers(*said)


def test_a_trade_that_is_repeated_is_one() -> None:
    assert [("s", "buy", 0, 1.0), ("s", "buy", 1, 2.0)] == numbers(
        trade(1.0), trade(2.0), trade(1.0), trade(2.0)
    )


def test_what_a_breakdown_has_numbered_keeps_its_number() -> None:
    memory = TradeNumbers()
    parts = [trade(1.0), trade(2.0, ordinal=1)]
    assert parts == memory.number_trades(parts)
    assert [] == memory.number_trades(parts)


def test_only_the_newest_transactions_are_remembered() -> None:
    first, *others = (trade(1.0, signature=f"{number}") for number in range(4))
    assert 4 == len(numbers(first, *others, first, limit=5))
    assert 5 == len(numbers(first, *others, first, limit=3))
