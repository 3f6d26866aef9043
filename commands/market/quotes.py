"""What a market data provider computes of a token: price, caps, and trades by window."""

from math import sin

from attrs import frozen

from commands.market.curve import Reserves
from commands.market.pairs import DOLLARS_A_SOL_AT_BIRTH
from commands.market.token import MarketToken

SOL_USD = DOLLARS_A_SOL_AT_BIRTH
WINDOWS_MINUTES = {"m5": 5, "h1": 60, "h6": 360, "h24": 1440}


def sol_usd(now: float) -> float:
    """The price of SOL: it sways by about 2 % within the hour."""
    return SOL_USD * (1 + 0.015 * sin(now / 570) + 0.006 * sin(now / 91))


@frozen(kw_only=True)
class Window:
    """What was traded in the last minutes."""

    buys: int
    sells: int
    volume_sol: float  # the model's SOL
    opening_holders: int
    price_change: float  # per cent


def window(token: MarketToken, minutes: int, now: float) -> Window:
    first = int(now // 60) - minutes + 1
    buys = sells = 0
    volume_sol = 0.0
    opening = token.reserves.price_sol
    holders = len(token.owners)
    for minute in reversed(token.minutes):
        if minute.number < first:
            break
        buys += minute.buys
        sells += minute.sells
        volume_sol += minute.volume_sol
        opening = minute.opening_price_sol
        holders = minute.opening_holders
    if token.minutes and token.minutes[0].number >= first and not token.in_pool:
        opening = Reserves().price_sol  # the whole life lies within: it began at the curve's start
    return Window(
        buys=buys,
        sells=sells,
        volume_sol=volume_sol,
        opening_holders=holders,
        price_change=round((token.reserves.price_sol / opening - 1) * 100, 2),
    )


def dollars(token: MarketToken, sol: float, now: float) -> float:
    """What the model's SOL is worth: its pair is a dollar token, or SOL at its price."""
    return token.pair.amount(sol) * (1.0 if token.pair.is_dollar else sol_usd(now))


def price_usd(token: MarketToken, now: float) -> float:
    return dollars(token, token.reserves.price_sol, now)


def cap_usd(token: MarketToken, now: float) -> float:
    return price_usd(token, now) * token.supply
