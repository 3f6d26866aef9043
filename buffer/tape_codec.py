"""How candles and trades stand on the tape: packed records, and larger candles made of minutes.

Numbers have four bytes: six significant digits, as everywhere. NaN stands for "not known".
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from struct import Struct, error

from attrs import evolve

from domain.trading import CANDLE_SECONDS, Candle, TradeRecord
from domain.values import Sol, UnixSeconds, Usd

CANDLE = Struct(
    "<BB6fHH"
)  # minute of its hour, in dollars?, open, high, low, close, volumes, trades
TRADE = Struct("<dB4fBB")  # time, buy?, tokens, sol, usd, price, lengths of signature and trader
HOUR_MINUTES = 60
HOUR_SECONDS = HOUR_MINUTES * CANDLE_SECONDS["1m"]
MINUTE_SECONDS = CANDLE_SECONDS["1m"]
GREATEST_COUNT = 2**16 - 1  # buys or sells of one minute
LONGEST_TEXT_BYTES = 255


def pack_candle(candle: Candle) -> bytes:
    return CANDLE.pack(
        int(candle.opened_at) // MINUTE_SECONDS % HOUR_MINUTES,
        candle.currency == "usd",
        *map(_bound, (candle.open, candle.high, candle.low, candle.close)),
        _bound(candle.volume_usd),
        _bound(candle.volume_sol),
        min(candle.buys, GREATEST_COUNT),
        min(candle.sells, GREATEST_COUNT),
    )


def find_hour(candle: Candle) -> int:
    """The hour since 1970 whose field of the token's hash holds the candle."""
    return int(candle.opened_at) // HOUR_SECONDS


def unpack_candles(hours: Mapping[int, bytes]) -> list[Candle]:
    """The candles of some hours, oldest first; what is cut off at an hour's end is left out."""
    candles: list[Candle] = []
    for hour, record in hours.items():
        whole = len(record) - len(record) % CANDLE.size
        for minute, is_usd, *numbers, buys, sells in CANDLE.iter_unpack(record[:whole]):
            first, high, low, last, volume_usd, volume_sol = map(_round, numbers)
            candles.append(
                Candle(
                    opened_at=UnixSeconds(float(hour * HOUR_SECONDS + minute * MINUTE_SECONDS)),
                    currency="usd" if is_usd else "sol",
                    open=first,
                    high=high,
                    low=low,
                    close=last,
                    volume_usd=volume_usd,
                    volume_sol=volume_sol,
                    buys=buys,
                    sells=sells,
                )
            )
    candles.sort(key=lambda candle: candle.opened_at)
    return candles


def fold_candles(minutes: Sequence[Candle], interval: str, limit: int) -> list[Candle]:
    """The newest `limit` candles of an interval, oldest first, in the currency of the newest."""
    if not minutes:
        return []
    seconds, currency = CANDLE_SECONDS[interval], minutes[-1].currency
    folded: list[Candle] = []
    for candle in minutes:
        if candle.currency != currency:
            continue
        opened_at = UnixSeconds(candle.opened_at - candle.opened_at % seconds)
        if folded and folded[-1].opened_at == opened_at:
            folded[-1] = _join_candles(folded[-1], candle)
        else:
            folded.append(evolve(candle, opened_at=opened_at))
    return folded[-limit:]


def _join_candles(earlier: Candle, later: Candle) -> Candle:
    return evolve(
        earlier,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume_usd=_round(earlier.volume_usd + later.volume_usd),
        volume_sol=_round(earlier.volume_sol + later.volume_sol),
        buys=earlier.buys + later.buys,
        sells=earlier.sells + later.sells,
    )


def pack_trade(trade: TradeRecord) -> bytes:
    signature = trade.signature.encode()[:LONGEST_TEXT_BYTES]
    trader = (trade.trader or "").encode()[:LONGEST_TEXT_BYTES]
    numbers = map(_mark_unknown, (trade.tokens, trade.sol, trade.usd, trade.price_usd))
    head = TRADE.pack(trade.at, trade.side == "buy", *numbers, len(signature), len(trader))
    return head + signature + trader


def unpack_trades(records: Iterable[bytes], limit: int) -> list[TradeRecord]:
    """The newest trades, newest first, each once; `records` are oldest first."""
    known: dict[bytes, TradeRecord] = {}
    for record in records:
        try:
            known[record] = _unpack_trade(record)
        except (error, UnicodeDecodeError):  # of another release, or of somebody else
            continue
    newest_first = sorted(known.values(), key=lambda trade: trade.at)[::-1]
    return newest_first[:limit]


def _unpack_trade(record: bytes) -> TradeRecord:
    at, is_buy, *numbers, signature_bytes, trader_bytes = TRADE.unpack_from(record)
    tokens, sol, usd, price = map(_read_known, numbers)
    end = TRADE.size + signature_bytes
    trader = record[end : end + trader_bytes].decode()
    return TradeRecord(
        at=UnixSeconds(at),
        side="buy" if is_buy else "sell",
        signature=record[TRADE.size : end].decode(),
        trader=trader or None,
        tokens=tokens,
        sol=None if sol is None else Sol(sol),
        usd=None if usd is None else Usd(usd),
        price_usd=None if price is None else Usd(price),
    )


GREATEST_FLOAT = 3e38  # four bytes hold no more


def _bound(number: float) -> float:
    return min(number, GREATEST_FLOAT)


def _mark_unknown(number: float | None) -> float:
    return nan if number is None else _bound(number)


def _read_known(number: float) -> float | None:
    return None if isnan(number) else _round(number)


def _round(number: float) -> float:
    return float(f"{number:.6g}")
