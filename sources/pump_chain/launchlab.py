"""Raydium LaunchLab: births and trades on its curves. No I/O.

    PoolCreateEvent, TradeEvent + PoolTable -> TokenCreated, TradeSeen, CurveCompleted

Its events name a pool and no mint, so each needs the pool's token (`lookups`). A creator chooses
supply, decimals and how many tokens the curve sells; curve values are told as those of a pump.fun
curve that has sold the same share, so that progress is right for any of them:

    curve_tokens = tokens at birth - tokens for sale * real_base / total_base_sell

Price: (virtual_quote + real_quote) / (virtual_base - real_base), the constant product with virtual
reserves. Source: Raydium's LaunchLab documentation and SDK, `LaunchConstantProductCurve`.
"""

from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_BIRTH, CURVE_TOKENS_FOR_SALE
from domain.messages import CurveCompleted, TokenCreated, TradeSeen
from domain.values import WRAPPED_SOL, parse_mint
from sources.fields import read_label, read_metadata_link, read_tokens
from sources.pump_chain.events import AnchorEvent
from sources.pump_chain.pools import PoolFacts, find_quote_decimals
from sources.pump_chain.reading import (
    STATED_SUPPLY,
    Reading,
    Side,
    scale_amount,
    split_by_quote,
)
from sources.venues import LAUNCHLAB

LONGEST_NAME, LONGEST_SYMBOL = 128, 64
BUY = 0  # trade_direction; 1 is a sale
CURVE_IS_SOLD = 1  # pool_status: the pool waits for its migration


def read_launchlab_event(reading: Reading, event: AnchorEvent) -> None:
    """Add what an event says to the reading; it waits where its pool is not known."""
    address = event.read_key("pool_state")
    facts = None if address is None else reading.pools.find_pool(address)
    if facts is None:
        reading.note_unknown_pool(address)
    elif event.name == "PoolCreateEvent":
        _read_birth(reading, event, facts)
    else:
        _read_trade(reading, event, facts)


def _read_birth(reading: Reading, event: AnchorEvent, facts: PoolFacts) -> None:
    decimals = event.read_integer("decimals")
    supply = scale_amount(event.read_integer("supply"), facts.decimals)
    is_sol = facts.quote_mint == WRAPPED_SOL
    reading.events.append(
        TokenCreated(
            **reading.about(None),
            **split_by_quote("curve", CURVE_SOL_AT_BIRTH if is_sol else None, facts.quote_mint),
            mint=parse_mint(facts.mint),
            slot=reading.transaction.slot,
            venue=LAUNCHLAB,
            quote_mint=facts.quote_mint,
            name=read_label(event.read_text("name"), LONGEST_NAME),
            symbol=read_label(event.read_text("symbol"), LONGEST_SYMBOL),
            metadata_uri=read_metadata_link(event.read_text("uri")),
            creator_wallet=event.read_key("creator"),
            bonding_curve_key=event.read_key("pool_state"),
            decimals=decimals,
            total_supply=None if supply is None else f"{supply:.0f}",
            curve_tokens=CURVE_TOKENS_AT_BIRTH,
        )
    )


def _read_trade(reading: Reading, event: AnchorEvent, facts: PoolFacts) -> None:
    mint = parse_mint(facts.mint)
    side: Side = "buy" if event.read_integer("trade_direction") == BUY else "sell"
    paid, got = event.read_integer("amount_in"), event.read_integer("amount_out")
    quote_amount, base_amount = (paid, got) if side == "buy" else (got, paid)
    quote_decimals = find_quote_decimals(facts.quote_mint)
    raised = scale_amount(event.read_integer("real_quote_after"), quote_decimals)
    curve_tokens = _read_curve_tokens(event)
    reading.events.append(
        TradeSeen(
            **reading.about(None),
            **split_by_quote("", scale_amount(quote_amount, quote_decimals), facts.quote_mint),
            **split_by_quote("curve", _state_curve(raised, curve_tokens, facts), facts.quote_mint),
            **split_by_quote("market_cap", _state_cap(event, facts), facts.quote_mint),
            mint=mint,
            slot=reading.transaction.slot,
            ordinal=reading.next_ordinal(mint, side),
            side=side,
            tokens=read_tokens(scale_amount(base_amount, facts.decimals)),
            quote_mint=facts.quote_mint,
            venue=LAUNCHLAB,
            curve_tokens=curve_tokens,
        )
    )
    if event.read_integer("pool_status") == CURVE_IS_SOLD:
        reading.events.append(CurveCompleted(**reading.about(None), mint=mint))


def _read_curve_tokens(event: AnchorEvent) -> float | None:
    sold, for_sale = event.read_integer("real_base_after"), event.read_integer("total_base_sell")
    if sold is None or not for_sale:
        return None
    return CURVE_TOKENS_AT_BIRTH - CURVE_TOKENS_FOR_SALE * min(sold / for_sale, 1.0)


def _state_curve(
    raised: float | None, curve_tokens: float | None, facts: PoolFacts
) -> float | None:
    """What a pump.fun curve that has raised as much would hold, virtual quote and all.

    In SOL it began with 30. In dollars it began with whatever makes the sum raised right, by
    `lifecycle.quote_raised`; before the first token is sold, nothing does.
    """
    if raised is None or facts.quote_mint == WRAPPED_SOL:
        return None if raised is None else raised + CURVE_SOL_AT_BIRTH
    if curve_tokens is None or curve_tokens >= CURVE_TOKENS_AT_BIRTH:
        return None
    return raised / (1 - curve_tokens / CURVE_TOKENS_AT_BIRTH)


def _state_cap(event: AnchorEvent, facts: PoolFacts) -> float | None:
    """The price after the trade, times the stated supply."""
    names = ("virtual_quote", "real_quote_after", "virtual_base", "real_base_after")
    told = [event.read_integer(name) for name in names]
    quote, raised, base, sold = told
    if quote is None or raised is None or base is None or sold is None or base <= sold:
        return None
    units = 10.0 ** (facts.decimals - find_quote_decimals(facts.quote_mint))
    return (quote + raised) / (base - sold) * units * STATED_SUPPLY
