"""The storm's table and picture, from outcomes that nobody had to measure."""

import re
from copy import copy
from xml.etree import ElementTree

import pytest

from commands.storm.meter import Cost
from commands.storm.picture import drawn
from commands.storm.replay import Outcome, Plan, agrees
from commands.storm.report import Report
from commands.storm.service import packed
from commands.storm.strategy import Counts
from commands.storm.trace import HOUR_SECONDS, RATES, Trace
from commands.storm.wide import STATES, changed_row, columns
from domain.messages import TokenChange
from domain.values import Mint, UnixSeconds, Version
from store import StoredChange

SVG = "{http://www.w3.org/2000/svg}"
PLAN = Plan(
    trace=Trace(rates=RATES["seeds"], tokens=1000, hours=2, seed=7), checkpoint_seconds=300.0
)


def an_outcome(name: str, wal_bytes: int, **more: object) -> Outcome:
    values = {
        "name": name,
        "title": name,
        "statements": 10,
        "rows": 20,
        "seconds": 1.0,
        "wal_bytes_a_birth": None,
        "wrong_values": 0,
        "cost": a_cost(wal_bytes),
    }
    return Outcome(**{**values, **more})  # type: ignore[arg-type]  # as its fields are named


def a_cost(wal_bytes: int, updates: int = 4) -> Cost:
    return Cost(
        wal_bytes=wal_bytes,
        full_page_images=3,
        checkpoints=12,
        foreign_checkpoints=0,
        buffers_a_checkpoint=1.5,
        wal_distance_bytes=wal_bytes // 2,
        updates=updates,
        hot_updates=1,
        backend_cpu_seconds=None,
    )


def a_report(*outcomes: Outcome) -> Report:
    return Report(
        plan=PLAN, rates="seeds", server_version=18, wal_compression="off", outcomes=outcomes
    )


def test_ratios_are_of_wal_bytes_against_as_it_was_and_the_limit() -> None:
    service = an_outcome("service", 2_000)
    report = a_report(an_outcome("as-it-was", 100_000), service, an_outcome("limit", 1_000))
    assert 0.02 == report.ratio(service, "as-it-was")
    assert 2.0 == report.ratio(service, "limit")
    assert report.line(service)[-2:] == ("1/50", "2.00x")


def test_a_ratio_to_what_did_not_run_is_a_dash() -> None:
    service = an_outcome("service", 2_000)
    assert a_report(service).line(service)[-2:] == ("-", "-")


def test_what_the_server_cannot_tell_is_a_dash() -> None:
    outcome = an_outcome("limit", 1_000, cost=a_cost(1_000, updates=0))
    assert a_report(outcome).line(outcome)[7:9] == ("-", "-")


def test_wrong_values_are_said_loudly() -> None:
    wrong = an_outcome("case", 1, wrong_values=3)
    assert "WRONG VALUES: case has 3 tokens" in a_report(wrong).table()
    assert "same values" in a_report(an_outcome("case", 1)).table()


def test_the_title_counts_the_measured_hour_alone() -> None:
    assert "5,000 updates and 25 new tokens" in a_report().title()


def test_the_picture_is_well_formed_and_names_every_strategy_in_both_panels() -> None:
    titles = ["as it was & <worse>", 'this "service"', "limit"]
    outcomes = [an_outcome(f"s{n}", 10**n, title=title) for n, title in enumerate(titles, 3)]
    root = ElementTree.fromstring(drawn(a_report(*outcomes)))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert [2, 2, 2] == [texts.count(title) for title in titles]
    scales = [text for text in texts if text and text.startswith("bytes of WAL an hour")]
    assert ["logarithmic", "linear"] == [text.split(", ")[1].split()[0] for text in scales]


def test_longer_bars_mean_more_wal() -> None:
    outcomes = [an_outcome(f"s{n}", 10**n) for n in range(3, 9)]
    widths = [
        float(width)
        for width in re.findall(r'<rect x="270"[^>]* width="([0-9.]+)"', drawn(a_report(*outcomes)))
    ]
    logarithmic, linear = widths[: len(outcomes)], widths[len(outcomes) :]
    assert len(outcomes) == len(linear)
    assert sorted(logarithmic) == logarithmic
    assert len(set(logarithmic)) == len(logarithmic)
    # As long as they are large: the last three are 100, 10 and 1 parts, the others a hair.
    assert pytest.approx([1.0, 0.1, 0.01], rel=0.01) == [w / linear[-1] for w in linear[:-4:-1]]


def test_nothing_in_the_picture_leaves_it() -> None:
    root = ElementTree.fromstring(drawn(a_report(an_outcome("limit", 1), an_outcome("x", 10**12))))
    width = float(root.attrib["width"])
    for rectangle in root.iter(f"{SVG}rect"):
        right = float(rectangle.attrib.get("x", 0)) + float(rectangle.attrib["width"])
        assert right <= width


def test_a_timeline_flushes_and_then_checkpoints_after_the_events_of_a_moment() -> None:
    kinds = [(at, kind) for at, kind, _ in PLAN.timeline(0.0, HOUR_SECONDS)]
    assert sorted(kinds) == kinds
    flushes, checkpoints = ([at for at, kind in kinds if kind == wanted] for wanted in (1, 2))
    assert [300.0 * number for number in range(1, 13)] == flushes == checkpoints


def test_a_span_that_no_interval_divides_still_ends_with_a_flush() -> None:
    last = [(at, kind) for at, kind, _ in PLAN.timeline(0.0, 400.0)][-2:]
    assert [(400.0, 1), (400.0, 2)] == last


def test_stored_values_agree_to_six_digits_and_no_further() -> None:
    assert agrees({"price_usd": 1.234567}, {"price_usd": 1.2345671, "name": "x"})
    assert not agrees({"price_usd": 1.234567}, {"price_usd": 1.2346})
    assert not agrees({"price_usd": 1.0}, {})
    assert agrees({"price_change_24h": 0.0}, {"price_change_24h": 0.0})


def a_change(**values: float) -> StoredChange:
    return 5, TokenChange(
        mint=Mint("m"),
        version=Version(1),
        dirty_since=Version(1),
        observed_at=UnixSeconds(1_760_000_400.0),
        values=values,
    )


def test_the_limit_packs_a_change_into_its_values_and_fourteen_bytes() -> None:
    assert 14 + 4 == len(packed([a_change(price_usd=1.5)]))
    assert 2 * (14 + 8 + 2) == len(packed([a_change(hot_score=1.5, status=1)] * 2))


def test_a_status_fills_both_columns_of_the_wide_table() -> None:
    assert {"status": "BONDED", "state": "bonded"} == columns({"status": 2})
    assert {"previousState": STATES[1]} == columns({"previous_status": 1})


def test_only_market_data_moves_last_updated_at() -> None:
    assert "lastUpdatedAt" in changed_row({"price_usd": 1.0}, 0.0)
    assert {"holderCount": 0} == changed_row({"holder_count": 0}, 0.0)


def test_counts_since_are_what_was_sent_after_the_copy() -> None:
    counts = Counts(statements=3, rows=30)
    before = copy(counts)
    counts.add(rows=5, statements=2)
    assert Counts(statements=2, rows=5) == counts.since(before)
