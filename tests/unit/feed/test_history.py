"""Candles and trades as JSON."""

from typing import Any

import orjson

from domain.trading import Candle, TradeRecord
from domain.values import Sol, UnixSeconds, Usd
from feed.history import encode_candles, encode_trades
from tests.unit.feed.tokens import NOW, mint_of


def make_candle(opened_at: float = NOW, **values: float) -> Candle:
    figures: dict[str, Any] = {"open": 1.0, "high": 3.0, "low": 0.5, "close": 2.0}
    figures |= {"volume_usd": 10.0, "volume_sol": 0.05, **values}
    return Candle(opened_at=UnixSeconds(opened_at), buys=4, sells=1, **figures)


def make_trade(at: float = NOW, trader: str | None = "trader") -> TradeRecord:
    return TradeRecord(
        at=UnixSeconds(at),
        side="buy",
        signature="signature",
        trader=trader,
        tokens=1000.0,
        sol=Sol(0.5),
        usd=None,
        price_usd=Usd(0.0001),
    )


def test_a_candle_is_what_charting_libraries_take() -> None:
    answer = orjson.loads(encode_candles(mint_of(1), "5m", [make_candle()]))
    assert (mint_of(1), "5m") == (answer["mint"], answer["interval"])
    assert [
        {
            "time": 1_785_000_000,
            "open": 1.0,
            "high": 3.0,
            "low": 0.5,
            "close": 2.0,
            "volume": 10.0,
            "volumeSol": 0.05,
            "buys": 4,
            "sells": 1,
        }
    ] == answer["candles"]
    assert b'"time":1785000000,' in encode_candles(mint_of(1), "5m", [make_candle()])


def test_what_is_no_number_becomes_null() -> None:
    answer = orjson.loads(encode_candles(mint_of(1), "1m", [make_candle(high=float("nan"))]))
    assert answer["candles"][0]["high"] is None


def test_a_trade_tells_its_milliseconds_and_what_is_unknown() -> None:
    answer = orjson.loads(encode_trades(mint_of(1), [make_trade(NOW + 0.1234), make_trade()]))
    assert {
        "time": 1_785_000_000.123,
        "side": "buy",
        "signature": "signature",
        "trader": "trader",
        "tokens": 1000.0,
        "sol": 0.5,
        "usd": None,
        "priceUsd": 0.0001,
    } == answer["trades"][0]
    assert 2 == len(answer["trades"])


def test_a_trader_whose_name_is_no_text_harms_nothing() -> None:
    answer = orjson.loads(encode_trades(mint_of(1), [make_trade(trader="a\ud800")]))
    assert "a\ufffd" == answer["trades"][0]["trader"]


def test_no_trades_are_an_empty_list() -> None:
    assert {"mint": "m", "trades": []} == orjson.loads(encode_trades(mint_of(1), [])) | {
        "mint": "m"
    }
