"""The storm's trace: the same hour for everybody, and as much of it as was promised."""

import attrs
import pytest

from commands.storm.trace import (
    CHANGED_FIELDS,
    HOUR_SECONDS,
    RATES,
    JobRan,
    TokenBorn,
    Trace,
)
from domain.token import UPDATE_FIELDS
from domain.values import parse_mint


def a_trace(seed: int = 7, rates: str = "seeds", hours: float = 1.0) -> Trace:
    return Trace(rates=RATES[rates], tokens=1500, hours=hours, seed=seed)


def test_the_same_seed_gives_the_same_trace_to_the_byte() -> None:
    assert a_trace().encoded() == a_trace().encoded()
    assert a_trace().digest == a_trace().digest


def test_another_seed_gives_another_trace() -> None:
    assert a_trace(seed=7).digest != a_trace(seed=8).digest


@pytest.mark.parametrize(("rates", "expected"), [("seeds", (5000, 25)), ("real", (8900, 1700))])
def test_every_hour_has_the_promised_updates_and_births(
    rates: str, expected: tuple[int, int]
) -> None:
    assert expected == a_trace(rates=rates).counts()
    assert expected == a_trace(rates=rates, hours=2).counts(HOUR_SECONDS)


def test_events_come_in_order_of_time_and_within_it() -> None:
    times = [event.at_seconds for event in a_trace(rates="real").events]
    assert sorted(times) == times
    assert 0 <= times[0] <= times[-1] < HOUR_SECONDS


def test_every_mint_is_one_that_the_service_would_accept() -> None:
    trace = a_trace()
    born = [event.token for event in trace.events if isinstance(event, TokenBorn)]
    mints = [token.mint for token in (*trace.population, *born)]
    assert mints == [parse_mint(mint) for mint in mints]
    assert len(mints) == len(set(mints))


def test_only_known_tokens_change_and_only_in_fields_that_are_read_back() -> None:
    trace = a_trace(rates="real")
    known = {token.mint for token in trace.population}
    for event in trace.events:
        if isinstance(event, TokenBorn):
            known.add(event.token.mint)
            continue
        assert event.updates.keys() <= known
        assert all(values.keys() <= set(CHANGED_FIELDS) for values in event.updates.values())
    assert set(CHANGED_FIELDS) <= set(UPDATE_FIELDS)


def test_a_status_only_grows() -> None:
    statuses: dict[str, float] = {}
    for event in a_trace(rates="real").events:
        if isinstance(event, JobRan):
            for mint, values in event.updates.items():
                if "status" in values:
                    assert float(values["status"]) > statuses.get(mint, 0)
                    assert statuses.get(mint, 0) == values["previous_status"]
                    statuses[mint] = float(values["status"])
    assert statuses


def test_final_values_are_the_last_ones_of_each_field() -> None:
    trace = a_trace()
    final = trace.final_values()
    seen: set[tuple[str, str]] = set()
    for event in reversed(trace.events):
        if isinstance(event, JobRan):
            for mint, values in event.updates.items():
                for name, value in values.items():
                    if (mint, name) not in seen:
                        assert final[mint][name] == value
                        seen.add((mint, name))
    assert sum(len(values) for values in final.values()) == len(seen)


def test_every_token_of_the_population_has_a_value_of_every_field_but_the_status() -> None:
    token = attrs.asdict(a_trace().population.token(3))
    statuses = {"status", "previous_status", "status_changed_at"}
    assert all(token[name] is not None for name in set(CHANGED_FIELDS) - statuses)
