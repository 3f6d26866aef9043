"""One batch, token by token."""

from hypothesis import given
from hypothesis import strategies as st

from buffer.observations import by_token
from domain.merging import supersedes
from domain.messages import TokenUpdated
from domain.values import Mint, UnixSeconds, Value

MINT = Mint("A" * 44)


def updated(values: dict[str, Value], at: float, origin: str = "test") -> TokenUpdated:
    return TokenUpdated(mint=MINT, observed_at=UnixSeconds(at), origin=origin, values=values)


def test_a_lone_update_is_reported_as_the_very_same_object() -> None:
    update = updated({"price_usd": 1.0, "holder_count": 1}, at=1.0)
    (observed,) = by_token([update])
    assert observed.reduced_to(["price_usd", "holder_count"]) is update


def test_a_reduced_update_has_the_newest_time_of_what_is_left() -> None:
    (observed,) = by_token(
        [updated({"holder_count": 1}, at=9.0), updated({"price_usd": 1.0}, at=5.0)]
    )
    assert updated({"price_usd": 1.0}, at=5.0) == observed.reduced_to(["price_usd"])


def test_of_two_updates_of_one_time_the_later_one_names_the_origin() -> None:
    batch = [updated({"price_usd": 1.0}, 1.0, "first"), updated({"holder_count": 1}, 1.0, "second")]
    (observed,) = by_token(batch)
    assert observed.reduced_to(["price_usd", "holder_count"]).origin == "second"


def test_the_updates_themselves_stay_as_they_are() -> None:
    values: dict[str, Value] = {"price_usd": 1.0}
    by_token([updated(values, at=1.0), updated({"price_usd": 2.0}, at=2.0)])
    assert values == {"price_usd": 1.0}


def test_updates_without_values_are_left_out() -> None:
    assert by_token([updated({}, at=1.0)]) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["price_usd", "status"]), st.integers(0, 2), st.integers(1, 3)),
        min_size=1,
    )
)
def test_a_batch_merges_as_its_updates_would_one_by_one(
    sightings: list[tuple[str, int, int]],
) -> None:
    expected: dict[str, tuple[Value, float]] = {}
    for name, value, at in sightings:
        if name not in expected or supersedes(name, value, at, *expected[name]):
            expected[name] = (value, at)
    batch = [updated({name: value}, at) for name, value, at in sightings]
    (observed,) = by_token(batch)
    observations = zip(observed.values.items(), observed.times, strict=True)
    assert expected == {name: (value, at) for (name, value), at in observations}
