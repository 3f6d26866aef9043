"""What the programs' events mean: from one transaction to source events. No I/O.

    Transaction (signature, slot, logs) + PoolTable -> read_transaction -> [SourceEvent]
                                                    -> unknown pools, and births that wait for one

Amounts are integers of the smallest unit: SOL has 9 decimals, dollars and pump coins 6. A trade's
market cap is stated for a supply of 1e9, as PumpPortal does: price * 1e9.
"""

from collections.abc import Callable, Mapping
from functools import partial

from attrs import evolve, frozen

from domain.errors import MintRefused
from domain.messages import (
    CurveCompleted,
    MigrationSeen,
    PoolCreated,
    SourceEvent,
    TokenCreated,
    TradeSeen,
)
from domain.values import WRAPPED_SOL, Mint, Sol, Usd, parse_mint
from sources.fields import read_label, read_metadata_link, read_tokens
from sources.pump_chain import programs
from sources.pump_chain.events import AnchorEvent
from sources.pump_chain.launchlab import read_launchlab_event
from sources.pump_chain.pools import (
    PUMP_DECIMALS,
    PoolFacts,
    PoolTable,
    choose_sides,
    find_quote_decimals,
)
from sources.pump_chain.reading import (
    SOURCE,
    STATED_SUPPLY,
    Reading,
    Side,
    Transaction,
    read_quote,
    scale_amount,
    split_by_quote,
    state_cap,
)
from sources.venues import PUMPFUN, PUMPSWAP

LONGEST_NAME, LONGEST_SYMBOL = 128, 64
MAYHEM_SUPPLY, USUAL_SUPPLY = 2_000_000_000, 1_000_000_000


def read_transaction(transaction: Transaction, pools: PoolTable) -> Reading:
    """Everything that the programs' events in a transaction say; nothing here raises."""
    reading = Reading(transaction=transaction, pools=pools)
    for program, event in programs.list_events(transaction.logs, reading.refused):
        try:
            if program == programs.LAUNCHLAB:
                read_launchlab_event(reading, event)
            elif read := READERS.get((program, event.name)):
                read(reading, event)
        except MintRefused as refusal:
            reading.refused[refusal.reason] += 1
    _join_births_and_buys(reading)
    return reading


# pump: the bonding curve.


def _read_create(reading: Reading, event: AnchorEvent) -> None:
    mint = parse_mint(event.read_key("mint"))
    quote = Mint(event.read_key("quote_mint") or WRAPPED_SOL)
    curve_tokens = scale_amount(event.read_integer("virtual_token_reserves"), PUMP_DECIMALS)
    reserve = read_quote(event, quote, "virtual_sol_reserves", "virtual_quote_reserves")
    supply = event.read_integer("token_total_supply")
    reading.signers[mint] = event.read_key("user")
    reading.events.append(
        TokenCreated(
            **reading.about(event.read_integer("timestamp")),
            **split_by_quote("curve", reserve, quote),
            **split_by_quote("market_cap", state_cap(reserve, curve_tokens, _mayhem(event)), quote),
            mint=mint,
            slot=reading.transaction.slot,
            venue=PUMPFUN,
            quote_mint=quote,
            name=read_label(event.read_text("name"), LONGEST_NAME),
            symbol=read_label(event.read_text("symbol"), LONGEST_SYMBOL),
            metadata_uri=read_metadata_link(event.read_text("uri")),
            creator_wallet=event.read_key("creator") or event.read_key("user"),
            bonding_curve_key=event.read_key("bonding_curve"),
            decimals=PUMP_DECIMALS,
            total_supply=_show_supply(supply, event),
            curve_tokens=read_tokens(curve_tokens),
        )
    )


def _mayhem(event: AnchorEvent) -> int:
    """Tokens that such a coin has: mayhem coins have twice as many."""
    return MAYHEM_SUPPLY if event.is_set("is_mayhem_mode") else USUAL_SUPPLY


def _show_supply(supply: int | None, event: AnchorEvent) -> str:
    """Whole tokens; events of before 2025 do not say them, and mayhem's second half comes later."""
    told = (supply or 0) // 10**PUMP_DECIMALS
    return str(max(told, _mayhem(event)) if not told or event.is_set("is_mayhem_mode") else told)


def _read_curve_trade(reading: Reading, event: AnchorEvent) -> None:
    mint = parse_mint(event.read_key("mint"))
    quote = Mint(event.read_key("quote_mint") or WRAPPED_SOL)
    side: Side = "buy" if event.is_set("is_buy") else "sell"
    curve_tokens = scale_amount(event.read_integer("virtual_token_reserves"), PUMP_DECIMALS)
    reserve = read_quote(event, quote, "virtual_sol_reserves", "virtual_quote_reserves")
    size = read_quote(event, quote, "sol_amount", "quote_amount")
    reading.events.append(
        TradeSeen(
            **reading.about(event.read_integer("timestamp")),
            **split_by_quote("", size, quote),
            **split_by_quote("curve", reserve, quote),
            **split_by_quote("market_cap", state_cap(reserve, curve_tokens), quote),
            mint=mint,
            slot=reading.transaction.slot,
            ordinal=reading.next_ordinal(mint, side),
            side=side,
            trader=event.read_key("user"),
            tokens=scale_amount(event.read_integer("token_amount"), PUMP_DECIMALS),
            quote_mint=quote,
            venue=PUMPFUN,
            curve_tokens=read_tokens(curve_tokens),
        )
    )


def _read_complete(reading: Reading, event: AnchorEvent) -> None:
    mint = parse_mint(event.read_key("mint"))
    reading.events.append(
        CurveCompleted(**reading.about(event.read_integer("timestamp")), mint=mint)
    )


def _read_migration(reading: Reading, event: AnchorEvent) -> None:
    mint, pool = parse_mint(event.read_key("mint")), event.read_key("pool")
    quote = Mint(event.read_key("quote_mint") or WRAPPED_SOL)
    if pool is not None and reading.pools.find_pool(pool) is None:
        facts = PoolFacts(mint=mint, quote_mint=quote, decimals=PUMP_DECIMALS)
        reading.pools.put_pool(pool, facts)
    reading.events.append(
        MigrationSeen(
            **reading.about(event.read_integer("timestamp")),
            mint=mint,
            venue=PUMPSWAP,
            pool_address=pool,
        )
    )


# PumpSwap: the pools.


def _read_pool(reading: Reading, event: AnchorEvent) -> None:
    pool, at = event.read_key("pool"), event.read_integer("timestamp")
    base, quote = event.read_key("base_mint"), event.read_key("quote_mint")
    if pool is None or base is None or quote is None:
        reading.refused["incomplete_pool"] += 1
        return
    sides = choose_sides(base, quote)
    if sides is None:
        reading.refused["no_known_quote"] += 1
        reading.pools.note_stranger(pool)
        return
    token, counted, is_base_quote = sides
    mint = parse_mint(token)
    decimals = event.read_integer("quote_mint_decimals" if is_base_quote else "base_mint_decimals")
    facts = PoolFacts(
        mint=mint,
        quote_mint=counted,
        decimals=PUMP_DECIMALS if decimals is None else decimals,
        is_base_quote=is_base_quote,
    )
    reading.pools.put_pool(pool, facts)
    about = reading.about(at)
    reading.events.append(
        PoolCreated(
            mint=mint,
            seen_at=about["seen_at"],
            signature=about["signature"],
            source=SOURCE,
            venue=PUMPSWAP,
            pool_address=pool,
            created_at=about["at"] or about["seen_at"],
            decimals=decimals,
            quote_mint=counted,
        )
    )


@frozen
class _PoolSide:
    """A trade of a pool's base, and the names of its amounts."""

    side: Side  # of the base
    base: str
    quote: str  # without fees: the trade's size
    quote_in_pool: str  # what the pool's reserve changed by


def _read_pool_trade(reading: Reading, event: AnchorEvent, *, of_base: _PoolSide) -> None:
    """A trade in a pool; where the pool's base is the quote, the token's side is the other one."""
    address = event.read_key("pool")
    facts = None if address is None else reading.pools.find_pool(address)
    if facts is None:
        reading.note_unknown_pool(address)
        return
    base, quote = event.read_integer(of_base.base), event.read_integer(of_base.quote)
    sign = 1 if of_base.side == "buy" else -1
    moved = event.read_integer(of_base.quote_in_pool) or quote
    base_left = _move(event.read_integer("pool_base_token_reserves"), base, -sign)
    quote_left = _move(event.read_integer("pool_quote_token_reserves"), moved, sign)
    side = of_base.side
    if facts.is_base_quote:
        base, quote, base_left, quote_left = quote, base, quote_left, base_left
        side = "sell" if side == "buy" else "buy"
    quote_decimals = find_quote_decimals(facts.quote_mint)
    reserve = scale_amount(quote_left, quote_decimals)
    cap = state_cap(reserve, scale_amount(base_left, facts.decimals))
    reading.events.append(
        TradeSeen(
            **reading.about(event.read_integer("timestamp")),
            **split_by_quote("", scale_amount(quote, quote_decimals), facts.quote_mint),
            **split_by_quote("market_cap", cap, facts.quote_mint),
            mint=facts.mint,
            slot=reading.transaction.slot,
            ordinal=reading.next_ordinal(facts.mint, side),
            side=side,
            trader=event.read_key("user"),
            tokens=read_tokens(scale_amount(base, facts.decimals)),
            quote_mint=facts.quote_mint,
            venue=PUMPSWAP,
            pool_address=address,
        )
    )


def _move(reserve: int | None, amount: int | None, sign: int) -> int | None:
    """A reserve after the trade; the event tells it as it was before."""
    if reserve is None or amount is None:
        return None
    return max(reserve + sign * amount, 0)


READERS: Mapping[tuple[str, str], Callable[[Reading, AnchorEvent], None]] = {
    (programs.PUMP, "CreateEvent"): _read_create,
    (programs.PUMP, "TradeEvent"): _read_curve_trade,
    (programs.PUMP, "CompleteEvent"): _read_complete,
    (programs.PUMP, "CompletePumpAmmMigrationEvent"): _read_migration,
    (programs.PUMPSWAP, "CreatePoolEvent"): _read_pool,
    (programs.PUMPSWAP, "BuyEvent"): partial(
        _read_pool_trade,
        of_base=_PoolSide(
            "buy", "base_amount_out", "quote_amount_in", "quote_amount_in_with_lp_fee"
        ),
    ),
    (programs.PUMPSWAP, "SellEvent"): partial(
        _read_pool_trade,
        of_base=_PoolSide(
            "sell", "base_amount_in", "quote_amount_out", "quote_amount_out_without_lp_fee"
        ),
    ),
}


# What belongs together within a transaction.


def _join_births_and_buys(reading: Reading) -> None:
    """Tell a birth of its first buy; drop the pool of a migration, which tells it as well."""
    migrated = {event.mint for event in reading.events if isinstance(event, MigrationSeen)}
    kept = [
        event
        for event in reading.events
        if not (isinstance(event, PoolCreated) and event.mint in migrated)
    ]
    reading.events = [
        _with_first_buy(event, kept, reading.signers.get(event.mint))
        if isinstance(event, TokenCreated)
        else event
        for event in kept
    ]


def _with_first_buy(
    created: TokenCreated, events: list[SourceEvent], signer: str | None
) -> TokenCreated:
    """The birth with what its creator, or whoever signed for another one, bought with it."""
    bought = [
        trade
        for trade in events
        if isinstance(trade, TradeSeen)
        and trade.mint == created.mint
        and trade.side == "buy"
        and trade.trader is not None
        and trade.trader in (created.creator_wallet, signer)
    ]
    if not bought:
        return created
    last = bought[-1]
    part = float(created.total_supply or STATED_SUPPLY) / STATED_SUPPLY  # a trade states another
    sol = [trade.sol for trade in bought if trade.sol is not None]
    usd = [trade.usd for trade in bought if trade.usd is not None]
    return evolve(
        created,
        initial_buy_sol=Sol(sum(sol)) if sol else None,
        initial_buy_usd=Usd(sum(usd)) if usd else None,
        curve_tokens=last.curve_tokens,
        curve_sol=last.curve_sol,
        curve_usd=last.curve_usd,
        market_cap_sol=None if last.market_cap_sol is None else Sol(last.market_cap_sol * part),
        market_cap_usd=None if last.market_cap_usd is None else Usd(last.market_cap_usd * part),
    )
