"""Sync's table: published is stored and unflushed together, whatever happens in between."""

from collections import defaultdict
from collections.abc import Iterable

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.sync.table import TokenTable
from domain.merging import Observations, fold_update
from domain.messages import TokenChange, TokenUpdated
from domain.token import Status, Token, with_birth_source
from domain.values import NO_VERSION, Mint, UnixSeconds, Value, Version
from tests.unit.domain.tokens import BIRTH, mint, token

HOUR = 3600.0
MINT = mint(1)


def stored_token(number: int = 1, **fields: Value) -> Token:
    return token(number, id=number, last_updated_at=BIRTH, **fields)


def table(*tokens: Token, limit: int = 100) -> TokenTable:
    filled = TokenTable(limit)
    for each in tokens:
        filled.admit_token(each)
    return filled


def update(after: float, number: int = 1, **values: Value) -> TokenUpdated:
    return TokenUpdated(
        mint=mint(number), observed_at=UnixSeconds(BIRTH + after), origin="ingest", values=values
    )


def told_by(origin: str, after: float, **values: Value) -> TokenUpdated:
    return TokenUpdated(
        mint=MINT, observed_at=UnixSeconds(BIRTH + after), origin=origin, values=values
    )


def news_of(known: TokenTable, updates: Iterable[TokenUpdated]) -> dict[Mint, Observations]:
    """The updates folded by token, without what is no news; as the appender does."""
    seen: defaultdict[Mint, Observations] = defaultdict(Observations)
    for each in updates:
        fold_update(seen[each.mint], each)
    news = {known_mint: known.select_new(known_mint, each) for known_mint, each in seen.items()}
    return {known_mint: each for known_mint, each in news.items() if each.values}


def take(into: TokenTable, *updates: TokenUpdated) -> None:
    """As sync does when the buffer accepts everything."""
    version = newest_unflushed(into) + 1
    for known, news in news_of(into, updates).items():
        news.newest = Version(version)
        into.apply_observations(known, news)


def newest_unflushed(of_table: TokenTable) -> int:
    return max((held.newest for held in of_table.unflushed.values()), default=0)


def flush(from_table: TokenTable, known: Mint = MINT) -> dict[str, Value]:
    """As sync does; what it gives to the store."""
    held = unflushed_values(from_table, known)
    from_table.note_left([change(known, held)], Version(newest_unflushed(from_table)))
    return held


def unflushed_values(of_table: TokenTable, known: Mint = MINT) -> dict[str, Value]:
    return dict(of_table.unflushed.get(known, Observations()).values)


def change(known: Mint, values: dict[str, Value]) -> TokenChange:
    return TokenChange(known, Version(1), Version(1), BIRTH, values)


def seen(observations: Observations) -> dict[str, tuple[Value, float]]:
    return {n: (value, observations.time_of(n)) for n, value in observations.values.items()}


# News.


def test_values_that_the_token_has_already_are_no_news() -> None:
    known = table(stored_token(holder_count=7))
    assert news_of(known, [update(1, holder_count=7)]) == {}
    news = news_of(known, [update(1, holder_count=7, buys_24h=0)])
    assert {"buys_24h": (0, BIRTH + 1)} == seen(news[MINT])


def test_value_that_returns_within_a_batch_is_no_news() -> None:
    known = table(stored_token(holder_count=7))
    assert news_of(known, [update(1, holder_count=8), update(2, holder_count=7)]) == {}


def test_news_of_two_observers_keep_their_times() -> None:
    news = news_of(table(stored_token()), [update(6, hot_score=1.0), update(5, holder_count=3)])
    assert {"hot_score": (1.0, BIRTH + 6), "holder_count": (3, BIRTH + 5)} == seen(news[MINT])


def test_status_that_grows_says_when_and_from_what() -> None:
    known = table(stored_token())
    take(known, update(5, status=1))
    graduating = known.published[MINT]
    assert (
        graduating.status,
        graduating.previous_status,
        graduating.status_changed_at,
    ) == (Status.GRADUATING, Status.NEW, BIRTH + 5)


def test_status_skips_a_step_when_both_come_in_one_batch() -> None:
    known = table(stored_token())
    take(known, update(5, status=1), update(6, status=2), update(7, status=1))
    bonded = known.published[MINT]
    assert (bonded.status, bonded.previous_status) == (Status.BONDED, Status.NEW)
    assert bonded.status_changed_at == BIRTH + 6


def test_status_never_goes_back() -> None:
    known = table(stored_token(status=Status.BONDED, status_changed_at=UnixSeconds(BIRTH + 1)))
    assert news_of(known, [update(9, status=1), update(10, status=0)]) == {}


def test_status_of_an_unknown_token_changes_once() -> None:
    unknown = table()
    take(unknown, update(5, status=1))
    take(unknown, update(6, status=1, holder_count=3))
    assert seen(unknown.unflushed[MINT]) == {
        "status": (1, BIRTH + 5),
        "status_changed_at": (BIRTH + 5, BIRTH + 5),
        "holder_count": (3, BIRTH + 6),
    }


# Admitting.


def test_update_that_came_before_its_token_applies_when_it_is_admitted() -> None:
    """Defect 7: the migration of a token that nobody had stored yet was dropped."""
    early = table()
    take(early, update(-1, status=2, pool_type="pumpswap"))
    assert early.admit_token(stored_token())
    assert (
        early.published[MINT].status,
        early.published[MINT].pool_type,
    ) == (Status.BONDED, "pumpswap")
    assert {"status", "status_changed_at", "pool_type"} == flush(early).keys()


def test_old_news_of_status_does_not_touch_a_token_that_is_further() -> None:
    """A token that had left the table comes back from Postgres as BONDED."""
    bonded = stored_token(status=Status.BONDED, status_changed_at=UnixSeconds(BIRTH + 1))
    early = table()
    take(early, update(50, status=1, holder_count=3))
    early.admit_token(bonded)
    assert early.published[MINT] == evolve(
        bonded, holder_count=3, last_updated_at=UnixSeconds(BIRTH + 50)
    )
    assert flush(early)["status"] == 1  # which the store passes over, as it is no news


def test_token_is_admitted_once() -> None:
    known = table(stored_token())
    assert not known.admit_token(stored_token(name="another"))
    assert known.published[MINT].name is None


def test_spooled_token_gets_its_id_and_keeps_its_updates() -> None:
    spooled = table(token())
    take(spooled, update(3, holder_count=5))
    assert spooled.admit_token(stored_token())
    assert (spooled.published[MINT].id, spooled.published[MINT].holder_count) == (1, 5)


def test_spooled_token_that_postgres_had_known_all_along_is_shown_as_stored() -> None:
    spooled = table(token(first_seen_at=UnixSeconds(BIRTH + 9)))
    spooled.admit_token(stored_token(status=Status.BONDED))
    assert (
        spooled.published[MINT].status,
        spooled.published[MINT].first_seen_at,
    ) == (Status.BONDED, BIRTH)


# Flushing.


def test_flushed_values_are_unflushed_no_more() -> None:
    known = table(stored_token())
    take(known, update(1, holder_count=8, price_usd=0.0))
    assert flush(known) == {"holder_count": 8, "price_usd": 0.0}
    assert known.unflushed == {}
    assert known.published[MINT].holder_count == 8


def test_update_that_comes_during_a_flush_stays_unflushed() -> None:
    """Defect 3: reading and then deleting lost what came in between."""
    known = table(stored_token())
    take(known, update(1, holder_count=8, price_usd=1.0))
    take(known, update(2, holder_count=9))
    read = change(MINT, {"holder_count": 8, "price_usd": 1.0})
    known.note_left([read], read_at=Version(1))
    assert {"holder_count": (9, BIRTH + 2)} == seen(known.unflushed[MINT])


def test_only_tokens_that_are_spooled_are_held_for_the_spool() -> None:
    known = table(token(1), token(2), stored_token(3))
    assert known.spooled.keys() == {mint(1), mint(2)}
    known.admit_token(stored_token(1))
    assert known.spooled.keys() == {mint(2)}


# Precision.


def test_what_is_published_is_what_postgres_keeps() -> None:
    known = table(stored_token())
    take(known, update(1, price_usd=0.123456789, hot_score=33561.123449, last_trade_at=BIRTH + 0.9))
    shown = known.published[MINT]
    assert (shown.price_usd, shown.hot_score, shown.last_trade_at) == (0.123457, 33561.1234, BIRTH)
    assert flush(known) == {"price_usd": 0.123457, "hot_score": 33561.1234, "last_trade_at": BIRTH}


def test_difference_that_is_only_rounding_is_no_news() -> None:
    known = table(stored_token(price_usd=0.123457))
    assert news_of(known, [update(1, price_usd=0.1234569)]) == {}


def test_spooled_token_is_rounded_as_it_will_be_stored() -> None:
    known = table(token(sol_raised=1.23456789))
    assert known.published[MINT].sol_raised == known.spooled[MINT].sol_raised == 1.23457


names = st.sampled_from(["holder_count", "buys_24h", "hot_score"])
numbers = st.integers(0, 3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("update"), names, numbers),
        st.tuples(st.just("read"), names, numbers),
        st.tuples(st.just("written"), names, numbers),
    ),
    max_size=25,
)


@settings(max_examples=300)
@given(steps)
def test_no_flush_ever_loses_a_newer_value(script: list[tuple[str, str, int]]) -> None:
    """Flushes read, and are told of the write later; updates come at any time in between.

    Every fourth is told of no version: then only values tell what has left.
    """
    known, last, postgres = table(stored_token()), dict[str, Value](), dict[str, Value]()
    read, read_at = dict[str, Value](), NO_VERSION
    for after, (step, name, value) in enumerate(script):
        if step == "update":
            take(known, update(after, **{name: value}))
            last[name] = value
        elif step == "read":
            read, read_at = unflushed_values(known), Version(newest_unflushed(known))
        else:
            postgres |= read
            known.note_left([change(MINT, read)], read_at if value else NO_VERSION)
            read, read_at = {}, NO_VERSION
        held = unflushed_values(known)
        shown = {n: getattr(known.published[MINT], n) for n in last}
        assert last == shown  # the last value of every field is seen
        assert last == {n: value for n, value in (postgres | held).items() if n in last}


@given(st.lists(st.tuples(names, numbers), max_size=20))
def test_fold_of_updates_is_the_last_value_of_each_field(sequence: list[tuple[str, int]]) -> None:
    known = table(stored_token())
    take(known, *(update(after, **{name: value}) for after, (name, value) in enumerate(sequence)))
    assert dict(sequence) == {name: getattr(known.published[MINT], name) for name, _ in sequence}


# Staying bounded.


def test_tokens_off_the_feed_are_forgotten_when_they_are_flushed() -> None:
    known = table(stored_token(1), stored_token(2))
    take(known, update(1, number=2, holder_count=3))
    assert known.forget_flushed(UnixSeconds(BIRTH + 48 * HOUR)) == 1
    assert [mint(2)] == list(known.published)


def test_oldest_tokens_beyond_the_limit_are_forgotten() -> None:
    tokens = [
        stored_token(n, first_seen_at=UnixSeconds(BIRTH - n)) for n in range(1, 8)
    ]  # 7 is the oldest
    known = table(*tokens, limit=4)
    take(known, update(1, number=7, holder_count=3))
    assert known.forget_flushed(BIRTH) == 3
    assert {mint(n) for n in (1, 2, 3, 7)} == set(known.published)


def test_tokens_off_the_feed_count_before_the_oldest() -> None:
    bonded = stored_token(
        1,
        status=Status.BONDED,
        first_seen_at=UnixSeconds(BIRTH - 60 * HOUR),
        status_changed_at=BIRTH,
    )
    expired = stored_token(2, first_seen_at=UnixSeconds(BIRTH - 49 * HOUR))
    known = table(bonded, expired, stored_token(3), limit=2)
    assert known.forget_flushed(BIRTH) == 1
    assert {mint(1), mint(3)} == set(known.published)


def test_a_bonded_token_takes_no_news_of_its_curve() -> None:
    known = table(stored_token(status=Status.BONDED, bonding_curve_progress=100.0))
    news = news_of(known, [update(1.0, bonding_curve_progress=20.0, holder_count=7)])
    assert {"holder_count"} == set(news[MINT].values)


# Where values came from.


def sources(of_table: TokenTable) -> dict[str, tuple[str, float]]:
    provenance = of_table.published[MINT].provenance
    return {group: (source, at - BIRTH) for group, (source, at) in provenance.items()}


def test_each_group_tells_its_last_source_and_its_time() -> None:
    known = table(stored_token())
    take(known, told_by("ingest chain", 1, price_usd=1.0, last_trade_at=BIRTH, silent=True))
    take(
        known,
        told_by("market-data dexscreener", 2, price_usd=2.0),
        told_by("hot-score", 3, hot_score=1.0),
    )
    assert sources(known) == {
        "market": ("dexscreener", 2),
        "lifecycle": ("chain", 1),
        "score": ("hot-score", 3),
    }


def test_the_change_of_a_status_is_of_the_source_of_the_status() -> None:
    known = table(stored_token())
    take(
        known,
        told_by("hot-score", 1, hot_score=1.0),
        told_by("ingest chain", 2, status=1),
    )
    assert ("chain", 2) == sources(known)["lifecycle"]


def test_an_earlier_observation_that_comes_late_is_not_the_last_source() -> None:
    known = table(stored_token())
    take(known, told_by("ingest chain", 5, price_usd=1.0))
    take(known, told_by("market-data dexscreener", 4, liquidity_usd=2.0))
    assert {"market": ("chain", 5)} == sources(known)


def test_what_was_seen_again_unchanged_is_told_with_the_next_change() -> None:
    known = table(stored_token(holder_count=7))
    again = told_by("holder-count jupiter", 5, holder_count=7)
    assert {} == news_of(known, [again])  # which is what makes a publication
    assert {} == sources(known)
    take(known, told_by("ingest chain", 6, price_usd=1.0))
    assert {"holders": ("jupiter", 5), "market": ("chain", 6)} == sources(known)
    assert {} == known.seen_again


def test_what_was_seen_again_is_forgotten_with_its_token() -> None:
    known = table(stored_token(holder_count=7))
    news_of(known, [update(5, holder_count=7)])
    assert known.seen_again.keys() == {MINT}
    known.forget_flushed(UnixSeconds(BIRTH + 100 * HOUR))
    assert {} == known.seen_again


def test_what_came_before_its_token_tells_its_source_when_that_is_admitted() -> None:
    early = table()
    take(early, told_by("ingest chain", 1, status=2))
    early.admit_token(with_birth_source(stored_token(symbol="S"), "pumpportal", BIRTH))
    born = ("pumpportal", 0)
    assert {"identity": born, "profile": born, "lifecycle": ("chain", 1)} == sources(early)


def test_a_spooled_token_keeps_its_sources_when_postgres_has_it() -> None:
    known = table(with_birth_source(token(1, symbol="S"), "pumpapi", BIRTH))
    take(known, told_by("ingest chain", 1, price_usd=1.0))
    before = sources(known)
    known.admit_token(stored_token(symbol="S"))  # as it is read back: no table has its sources
    assert before == sources(known)
    assert {"identity", "profile", "market"} == before.keys()


def test_values_of_an_earlier_life_have_no_source() -> None:
    known = table(stored_token())
    known.apply_observations(MINT, Observations({"price_usd": 1.0}, BIRTH))  # as when restored
    assert {} == sources(known)
