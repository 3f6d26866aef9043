"""Tokens as existing clients know them."""

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.token import Status
from domain.values import UnixSeconds
from feed.wire import ItemCache, encode_json, find_changes, make_item, to_iso_time
from tests.unit.feed.tokens import NOW, make_token, tokens

PRISMA_MODEL = """mint symbol name logoURI description imageUrl twitter telegram website state
    previousState bondingCurveProgress bondingCurveKey poolAddress poolType poolCreatedAt
    liquidityUsd marketCapUsd volume24h volumeChange24h priceUsd priceChange24h txCount24h
    holderCount decimals totalSupply lastTradeTs volume24hSol buys24h sells24h uniqueTraders24h
    solRaised solToGraduate creatorWallet freezeRevoked mintRenounced hotScore watcherCount status
    firstSeenAt lastUpdatedAt stateChangedAt"""


PRISMA_KEYS = frozenset(PRISMA_MODEL.split())


def test_every_key_of_the_prisma_model_is_there_even_when_nothing_is_known() -> None:
    item = make_item(make_token())
    assert set() == PRISMA_KEYS - item.keys()
    known = {"mint", "state", "status", "firstSeenAt", "watcherCount"}
    assert {None} == {item[key] for key in PRISMA_KEYS if key not in known}


def test_zeros_are_values() -> None:
    item = make_item(make_token(volume_24h=0.0, holder_count=0, bonding_curve_progress=0.0))
    assert [
        item[key] for key in ("volume24h", "holderCount", "bondingCurveProgress", "watcherCount")
    ] == [0.0, 0, 0.0, 0]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_785_000_000.0, "2026-07-25T17:20:00.000Z"),
        (1_785_000_000.2504, "2026-07-25T17:20:00.250Z"),
        (1_785_000_000.9996, "2026-07-25T17:20:01.000Z"),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (-1.0, None),
        (1e300, None),
        (float("nan"), None),
        (None, None),
    ],
)
def test_times_are_iso_8601_with_milliseconds(at: float | None, text: str | None) -> None:
    assert text == to_iso_time(None if at is None else UnixSeconds(at))


@pytest.mark.parametrize(
    ("status", "silent", "shown", "state"),
    [
        (Status.NEW, False, "NEW", "new"),
        (Status.GRADUATING, True, "DEAD", "dead"),
        (Status.BONDED, True, "BONDED", "bonded"),
    ],
)
def test_a_silent_token_is_dead_until_it_bonds(
    status: Status, silent: bool, shown: str, state: str
) -> None:
    item = make_item(make_token(status=status, silent=silent))
    assert (shown, state) == (item["status"], item["state"])


def test_the_previous_state_is_in_lower_case() -> None:
    item = make_item(make_token(status=Status.BONDED, previous_status=Status.GRADUATING))
    assert item["previousState"] == "graduating"


@given(tokens(st.just(1)), tokens(st.just(1)))
def test_changed_keys_complete_the_older_item(before: object, after: object) -> None:
    older, newer = make_item(before), make_item(after)  # type: ignore[arg-type]
    assert orjson.dumps(newer) == orjson.dumps(older | find_changes(older, newer))


@pytest.mark.parametrize(
    ("odd", "tamed"),
    [(2**70, 2.0**70), (-(2**64), -(2.0**64)), (10**400, None), ("a\ud800", "a\ufffd")],
)
def test_a_value_that_json_cannot_hold_is_tamed(odd: object, tamed: object) -> None:
    value = {"odd": odd, "nan": float("nan"), "name": "猫"}
    assert {"odd": tamed, "nan": None, "name": "猫"} == orjson.loads(encode_json(value))


def test_the_cache_gives_the_item_of_the_token_it_is_asked_for() -> None:
    cache = ItemCache(limit=1)
    before = make_token(holder_count=1)
    after = attrs.evolve(before, holder_count=2)
    assert [cache.get_item(token)["holderCount"] for token in (before, after, before)] == [1, 2, 1]
    assert orjson.dumps(make_item(after)) == cache.get_json(after)


def test_the_cache_is_bounded() -> None:
    cache = ItemCache(limit=3)
    for number in range(10):
        cache.get_item(make_token(number, first_seen_at=NOW))
    assert len(cache._shown) == 3
