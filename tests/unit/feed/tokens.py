"""Tokens for the tests of the feed."""

from typing import Any

import base58
from hypothesis import strategies as st

from domain.token import Status, Token
from domain.trading import WINDOW_SECONDS, TokenStatistics, WindowStatistics
from domain.values import Mint, Sol, UnixSeconds, Usd

NOW = UnixSeconds(1_785_000_000.0)


def mint_of(number: int) -> Mint:
    """A valid mint; the same number gives the same one."""
    return Mint(base58.b58encode(number.to_bytes(31, "big").rjust(32, b"\x07")).decode())


def make_token(number: int = 1, **values: Any) -> Token:
    """A token born a minute ago, unless `values` say otherwise."""
    known = {"mint": mint_of(number), "first_seen_at": UnixSeconds(NOW - 60), **values}
    return Token(**known)


def make_statistics(
    observed_at: float = NOW, source: str = "trades", wash_score: float | None = None, **values: Any
) -> TokenStatistics:
    """Statistics whose windows all have `values`, and come from one source."""
    return TokenStatistics(
        observed_at=UnixSeconds(observed_at),
        windows=dict.fromkeys(WINDOW_SECONDS, WindowStatistics(**values)),
        sources=dict.fromkeys(WINDOW_SECONDS, source),
        wash_score=wash_score,
    )


def statistics(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[TokenStatistics]:
    """Few distinct statistics, of which many differ in their time alone."""
    return st.builds(
        make_statistics,
        observed_at=st.integers(0, 3).map(lambda n: NOW + n),
        source=st.sampled_from(["trades", "jupiter"]),
        volume_usd=st.none() | st.integers(0, 1).map(float),
        **values,
    )


def provenances() -> st.SearchStrategy[dict[str, tuple[str, UnixSeconds]]]:
    """Few distinct provenances, of which many differ in their times alone."""
    origin = st.tuples(
        st.sampled_from(["chain", "dexscreener"]),
        st.integers(0, 2).map(lambda n: UnixSeconds(NOW + n)),
    )
    return st.dictionaries(st.sampled_from(["market", "holders"]), origin, max_size=2)


def tokens(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Token]:
    """Tokens of few mints with few distinct values, so that ranks collide."""
    small = st.integers(0, 3)
    seconds = small.map(lambda n: UnixSeconds(NOW - 60.0004 + n / 2))
    return st.builds(
        Token,
        mint=numbers.map(mint_of),
        first_seen_at=seconds,
        symbol=st.sampled_from([None, "A", "b", "猫"]),
        status=st.sampled_from(Status),
        status_changed_at=st.none() | seconds,
        silent=st.booleans(),
        bonding_curve_progress=st.none() | small.map(float),
        hot_score=st.none() | small.map(float) | st.just(float("nan")),
        market_cap_usd=st.none() | small.map(lambda n: Usd(float(n))),
        volume_24h=st.none() | small.map(lambda n: Usd(float(n))),
        volume_24h_sol=st.none() | small.map(lambda n: Sol(float(n))),
        watcher_count=small,
        provenance=provenances(),
    )
