"""How updates combine, whatever the order they come in."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from domain.merging import (
    Observations,
    find_source,
    fold_observations,
    fold_update,
    merge_updates,
    supersedes,
)
from domain.messages import TokenUpdated
from domain.values import UnixSeconds, Value, Version
from tests.unit.domain.tokens import BIRTH, mint, times

MINT = mint(1)


def update(at: float, origin: str = "ingest", **values: Value) -> TokenUpdated:
    return TokenUpdated(mint=MINT, observed_at=UnixSeconds(at), origin=origin, values=values)


# One observer sees one value at one time: equal times mean equal values, save for the status.
def _value(name: str, at: UnixSeconds) -> Value:
    return f"{name} at {at - BIRTH}"


@st.composite
def updates(draw: st.DrawFn) -> TokenUpdated:
    at = draw(times)
    names = draw(st.sets(st.sampled_from(["pool_type", "website", "twitter"])))
    values: dict[str, Value] = {name: _value(name, at) for name in sorted(names)}
    if draw(st.booleans()):
        values["status"] = draw(st.integers(0, 2))
    return TokenUpdated(mint=MINT, observed_at=at, origin="ingest", values=values)


def folded(*several: TokenUpdated) -> Observations:
    into = Observations()
    for each in several:
        fold_update(into, each)
    return into


def seen(observations: Observations) -> dict[str, tuple[Value, float]]:
    return {n: (value, observations.time_of(n)) for n, value in observations.values.items()}


def values_of(observations: Observations) -> dict[str, Value]:
    return observations.values


def test_later_observation_wins() -> None:
    assert {"price_usd": 3.0} == merge_updates(
        update(1, price_usd=1.0), update(2, price_usd=3.0)
    ).values
    assert {"price_usd": 3.0} == merge_updates(
        update(2, price_usd=3.0), update(1, price_usd=1.0)
    ).values


def test_later_arrival_wins_among_observations_of_one_time() -> None:
    assert {"price_usd": 3.0} == merge_updates(
        update(1, price_usd=1.0), update(1, price_usd=3.0)
    ).values
    both = folded(update(1, price_usd=1.0), update(1, price_usd=3.0))
    assert {"price_usd": (3.0, 1)} == seen(both)


def test_zero_replaces_a_value() -> None:
    """Defect 5: falsy checks dropped zeros."""
    later = update(2, holder_count=0, silent=False)
    earlier = update(1, holder_count=9, silent=True)
    assert {"holder_count": 0, "silent": False} == merge_updates(earlier, later).values
    assert {"holder_count": 0, "silent": False} == values_of(folded(earlier, later))


def test_status_only_grows_whenever_it_was_observed() -> None:
    assert {"status": 2} == merge_updates(update(1, status=2), update(2, status=1)).values
    observed = folded(update(1, status=2), update(2, status=1))
    assert {"status": (2, 1)} == seen(observed)
    assert not supersedes("status", 2, 9, 2, 1)


@given(updates(), updates())
def test_combining_is_commutative(one: TokenUpdated, other: TokenUpdated) -> None:
    assert merge_updates(one, other).values == merge_updates(other, one).values
    assert merge_updates(one, other).observed_at == merge_updates(other, one).observed_at


@given(updates())
def test_combining_is_idempotent(one: TokenUpdated) -> None:
    assert merge_updates(one, one) == one


@given(st.lists(updates(), max_size=6), st.randoms())
def test_fold_does_not_depend_on_the_order_of_arrival(
    several: list[TokenUpdated], random: object
) -> None:
    shuffled = list(several)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert values_of(folded(*several)) == values_of(folded(*shuffled))


@given(st.lists(updates(), max_size=6), st.integers(0, 6))
def test_fold_is_associative(several: list[TokenUpdated], middle: int) -> None:
    joined = folded(*several[:middle])
    fold_observations(joined, folded(*several[middle:]))
    assert seen(folded(*several)) == seen(joined)


@given(st.lists(updates(), max_size=6), st.integers(0, 6))
def test_folding_leaves_the_newer_observations_alone(
    several: list[TokenUpdated], middle: int
) -> None:
    into, newer = folded(*several[:middle]), folded(*several[middle:])
    before = seen(newer)
    fold_observations(into, newer)
    fold_update(into, update(1e12, website="later than all"))
    assert before == seen(newer)


def test_folded_observations_are_of_the_newest_version_of_both() -> None:
    older = Observations({"price_usd": 2.0}, UnixSeconds(2), newest=Version(7))
    newer = Observations({"price_usd": 1.0}, UnixSeconds(1), newest=Version(9))
    fold_observations(older, newer)
    assert ({"price_usd": (2.0, 2)}, 9) == (seen(older), older.newest)
    empty = Observations(newest=Version(11))
    fold_observations(empty, newer)
    assert ({"price_usd": (1.0, 1)}, 11) == (seen(empty), empty.newest)


@given(st.lists(updates(), min_size=1, max_size=6))
def test_fold_of_one_origin_in_order_equals_combining(several: list[TokenUpdated]) -> None:
    in_order = sorted(several, key=lambda each: each.observed_at)
    total = in_order[0]
    for each in in_order[1:]:
        total = merge_updates(total, each)
    assert total.values == values_of(folded(*in_order))


def test_fold_keeps_the_time_of_each_field() -> None:
    """Of two origins the one's earlier value must not come to look as late as the other's."""
    early = folded(update(5, bonding_curve_progress=10.0), update(6, "hot-score", hot_score=1.0))
    fold_update(early, update(5.5, bonding_curve_progress=20.0))
    assert (20.0, 5.5) == seen(early)["bonding_curve_progress"]


@given(st.lists(updates(), max_size=6))
def test_folding_updates_equals_folding_observations(several: list[TokenUpdated]) -> None:
    field_by_field = Observations()
    for each in several:
        fold_observations(
            field_by_field, Observations(dict(each.values), each.observed_at, each.origin)
        )
    assert seen(folded(*several)) == seen(field_by_field)


# Who has observed it.


@given(st.lists(st.tuples(updates(), st.sampled_from(["ingest chain", "jobs"])), max_size=6))
def test_each_value_keeps_the_origin_of_its_own_observation(
    several: list[tuple[TokenUpdated, str]],
) -> None:
    """Whatever is folded, a time never comes to stand beside another's origin."""
    told = [evolve(each, origin=origin) for each, origin in several]
    into = folded(*told)
    for name, value in into.values.items():
        who = {(e.observed_at, e.origin) for e in told if e.values.get(name) == value}
        assert into.sighting_of(name) in who


def test_of_two_origins_at_one_time_each_value_has_its_own() -> None:
    both = folded(update(1, "ingest chain", price_usd=1.0), update(1, "jobs", holder_count=3))
    assert "ingest chain" == both.sighting_of("price_usd")[1]
    assert "jobs" == both.sighting_of("holder_count")[1]


def test_the_second_word_of_an_origin_is_its_source() -> None:
    origins = ("ingest chain", "hot-score", "market-data dexscreener")
    assert ["chain", "hot-score", "dexscreener"] == list(map(find_source, origins))
