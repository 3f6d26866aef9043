"""The one table of a token's fields, and setting some of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import MintRefused
from domain.token import (
    FIELDS,
    IDENTITY_FIELDS,
    UPDATE_FIELDS,
    Group,
    Status,
    with_birth_source,
    with_values,
)
from domain.values import QUOTE_MINTS, WRAPPED_SOL, UnixSeconds, parse_mint
from tests.unit.domain.tokens import BIRTH, mint, token


def test_every_field_is_identity_or_update_or_derived() -> None:
    derived = {rule.name for rule in FIELDS.values() if rule.is_derived}
    assert {"last_updated_at"} == derived
    assert set(FIELDS) == set(IDENTITY_FIELDS) | set(UPDATE_FIELDS) | derived
    assert not set(IDENTITY_FIELDS) & set(UPDATE_FIELDS)


def test_no_two_fields_share_a_wire_name() -> None:
    names = [rule.wire for rule in FIELDS.values() if rule.wire is not None]
    assert sorted(set(names)) == sorted(names)


def test_only_status_is_merged_by_greatness() -> None:
    assert ["status"] == [rule.name for rule in FIELDS.values() if rule.greatest_wins]


def test_figures_of_the_last_24_hours_are_market_fields() -> None:
    """Defect 2: volume24h and priceChange24h were collected and never written."""
    assert Group.MARKET is FIELDS["volume_24h"].group is FIELDS["price_change_24h"].group
    assert {"volume_24h", "price_change_24h"} <= set(UPDATE_FIELDS)


def test_values_are_set_and_the_time_moves_forward_only() -> None:
    later = with_values(token(last_updated_at=BIRTH), {"holder_count": 0}, UnixSeconds(BIRTH + 5))
    earlier = with_values(later, {"buys_24h": 1}, UnixSeconds(BIRTH + 2))
    assert (0, 1, BIRTH + 5) == (
        earlier.holder_count,
        earlier.buys_24h,
        earlier.last_updated_at,
    )


def test_a_birth_tells_the_source_of_the_groups_that_it_knows() -> None:
    born = with_birth_source(token(symbol="S", watcher_count=0), "chain", BIRTH)
    assert {"identity": ("chain", BIRTH), "profile": ("chain", BIRTH)} == born.provenance


def test_status_is_set_as_a_status_and_never_back() -> None:
    bonded = with_values(token(), {"status": 2, "previous_status": 0}, BIRTH)
    assert (Status.BONDED, Status.NEW) == (bonded.status, bonded.previous_status)
    assert isinstance(bonded.previous_status, Status)
    assert Status.BONDED is with_values(bonded, {"status": 1}, BIRTH).status


@given(st.binary(min_size=32, max_size=32).map(lambda raw: int.from_bytes(raw, "big")))
def test_every_32_bytes_are_a_mint(number: int) -> None:
    assert mint(number) == parse_mint(mint(number))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "not_a_mint"),
        (7, "not_a_mint"),
        ("", "not_a_mint"),
        ("pump", "not_a_mint"),
        ("O" * 40, "not_base58"),
        ("z" * 44, "not_32_bytes"),
        ("1" * 32 + " ", "not_base58"),
        (f"{WRAPPED_SOL}\n", "not_base58"),
        *((quote, "quote_mint") for quote in sorted(QUOTE_MINTS)),
    ],
)
def test_what_is_no_tokens_mint_is_refused(text: object, reason: str) -> None:
    with pytest.raises(MintRefused) as refusal:
        parse_mint(text)
    assert reason == refusal.value.reason
