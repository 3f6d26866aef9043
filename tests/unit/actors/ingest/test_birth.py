"""What an event says of a token, and what it must not be taken to say."""

from typing import Any

from actors.ingest.birth import (
    birth_values,
    born_token,
    migration_values,
    pool_values,
    trade_values,
)
from domain.lifecycle import CURVE_SOL_AT_BIRTH, CURVE_TOKENS_AT_BIRTH, CURVE_TOKENS_AT_COMPLETION
from domain.messages import MigrationSeen, PoolCreated, TokenCreated, TradeSeen
from domain.token import UPDATE_FIELDS, Status
from domain.values import Sol, UnixSeconds
from tests.unit.domain.tokens import BIRTH, mint


def created(**fields: Any) -> TokenCreated:
    usual: dict[str, Any] = {
        "mint": mint(1),
        "seen_at": BIRTH,
        "signature": "s",
        "venue": "pumpfun",
        "curve_tokens": CURVE_TOKENS_AT_BIRTH,
        "curve_sol": Sol(CURVE_SOL_AT_BIRTH),
        "market_cap_sol": Sol(27.96),
    }
    return TokenCreated(**usual | fields)


def traded(**fields: Any) -> TradeSeen:
    usual: dict[str, Any] = {"mint": mint(1), "seen_at": BIRTH, "signature": "s", "side": "buy"}
    return TradeSeen(**usual | fields)


def pool(**fields: Any) -> PoolCreated:
    usual: dict[str, Any] = {
        "mint": mint(1),
        "seen_at": BIRTH,
        "signature": "s",
        "venue": "raydium",
        "pool_address": mint(9),
        "created_at": UnixSeconds(BIRTH - 3),
    }
    return PoolCreated(**usual | fields)


def test_token_is_born_with_progress_zero() -> None:
    """Defect 1: 35 % at birth."""
    assert 0.0 == born_token(created()).bonding_curve_progress


def test_birth_without_curve_figures_claims_none_but_progress_zero() -> None:
    """Defect 13: fields that no frame carries were expected."""
    bare = created(curve_tokens=None, curve_sol=None, market_cap_sol=None)
    assert 0.0 == born_token(bare).bonding_curve_progress
    assert {} == birth_values(bare, on_curve=True)


def test_zeros_are_kept() -> None:
    """Defect 5: falsy checks dropped zeros."""
    born = born_token(created(market_cap_sol=Sol(0.0)))
    assert (0.0, 0.0) == (born.sol_raised, born.market_cap_sol)


def test_first_row_has_what_the_birth_says_as_it_is_kept() -> None:
    born = born_token(
        created(
            curve_tokens=1_045_465_116.339853,
            curve_sol=Sol(30.79012344999),
            market_cap_sol=Sol(29.451124646602683),
        )
    )
    assert (3.47, 0.790123, 84.2152, 29.4511) == (
        born.bonding_curve_progress,
        born.sol_raised,
        born.sol_to_graduate,
        born.market_cap_sol,
    )


def test_birth_says_nothing_beyond_its_first_row_unless_it_is_nearly_sold_out() -> None:
    assert {} == birth_values(created(initial_buy_sol=Sol(0.01)), on_curve=True)
    nearly = birth_values(created(curve_tokens=CURVE_TOKENS_AT_COMPLETION), on_curve=True)
    assert {"status": Status.GRADUATING} == nearly


def test_only_a_birth_with_a_buy_was_a_trade() -> None:
    assert born_token(created(initial_buy_sol=Sol(0.0))).last_trade_at is None
    assert BIRTH == born_token(created(initial_buy_sol=Sol(0.01))).last_trade_at


def test_birth_after_its_migration_says_nothing_of_the_curve() -> None:
    """Defect 7: some coins migrate before their create is heard."""
    late = created(curve_tokens=CURVE_TOKENS_AT_COMPLETION)
    assert {} == birth_values(late, on_curve=False)
    born = born_token(late, on_curve=False)
    assert (0.0, None, None, 27.96) == (
        born.bonding_curve_progress,
        born.sol_raised,
        born.sol_to_graduate,
        born.market_cap_sol,
    )


def test_trade_moves_progress_and_status_but_never_to_bonded() -> None:
    values = trade_values(traded(curve_tokens=CURVE_TOKENS_AT_COMPLETION), on_curve=True)
    assert (100.0, Status.GRADUATING) == (values["bonding_curve_progress"], values["status"])


def test_trade_after_the_migration_says_nothing_of_the_curve() -> None:
    values = trade_values(traded(curve_tokens=CURVE_TOKENS_AT_BIRTH), on_curve=False)
    assert {"last_trade_at": BIRTH, "silent": False} == values


def test_migration_bonds_and_knows_no_pool_address() -> None:
    """Defect 6: the venue's name in migrate.pool was stored as an address."""
    values = migration_values(
        MigrationSeen(mint=mint(1), seen_at=BIRTH, signature="s", venue="pumpswap")
    )
    assert (Status.BONDED, "pumpswap", 100.0) == (
        values["status"],
        values["pool_type"],
        values["bonding_curve_progress"],
    )
    assert "pool_address" not in values


def test_pool_that_a_person_opened_bonds_nothing() -> None:
    assert {"pool_address", "pool_type", "pool_created_at"} == pool_values(pool()).keys()


def test_pool_that_a_launch_pad_opened_is_a_migration() -> None:
    values = pool_values(pool(is_migration=True))
    assert (Status.BONDED, mint(9), BIRTH - 3) == (
        values["status"],
        values["pool_address"],
        values["pool_created_at"],
    )


def test_token_of_a_pool_is_born_without_a_curve() -> None:
    born = born_token(pool(decimals=9))
    assert (mint(1), 9, "raydium", None) == (
        born.mint,
        born.decimals,
        born.pool_type,
        born.bonding_curve_progress,
    )


def test_events_speak_of_fields_that_can_be_updated_only() -> None:
    said = (
        birth_values(created(initial_buy_sol=Sol(1.0)), on_curve=True)
        | trade_values(traded(curve_tokens=1.0, curve_sol=Sol(1.0)), on_curve=True)
        | pool_values(pool(is_migration=True))
    )
    assert said.keys() <= set(UPDATE_FIELDS)
