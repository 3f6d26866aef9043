"""queries.sql and the migrations, as far as no server is needed."""

import re

import pytest

from domain.errors import BadConfiguration
from store.columns import KINDS, STATS_FIELDS
from store.postgres.migrating import Migration, known_migrations, pending_migrations
from store.postgres.queries import PACK_BYTES, TOKEN_BYTES, build_session_queries, named_blocks

STEPS = (Migration("0001_first", "SELECT 1"), Migration("0002_second", "SELECT 2"))
APPLIED = {step.name: step.checksum for step in STEPS}


def test_blocks_are_found_by_name_without_their_comments() -> None:
    text = "-- File.\n\n-- name: one\n-- Why.\nSELECT 1; -- end\n\n-- name: two\nSELECT\n  2;\n"
    assert named_blocks(text) == {"one": "SELECT 1", "two": "SELECT\n  2"}


def test_a_name_must_not_stand_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        named_blocks("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")


def test_every_query_is_filled_in_but_the_one_that_needs_a_day() -> None:
    queries = build_session_queries(reads_wal_position=True)
    unfilled = {name for name, text in queries.items() if re.search(r"\{\w", text)}
    assert unfilled == {"make_partition"}


def test_a_server_that_hides_its_wal_position_is_not_asked_for_it() -> None:
    hidden = build_session_queries(reads_wal_position=False)
    asked = {name for name, text in hidden.items() if "pg_current_wal_insert_lsn() -" in text}
    assert asked == set()


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_flush_updates_every_hot_field_and_no_other(side: str) -> None:
    text = build_session_queries(reads_wal_position=True)[f"write_token_stats_{side}"]
    assignments = text.split("UPDATE token_stats AS stored SET")[1].split("FROM news")[0]
    assert set(re.findall(r"(\w+) = ", assignments)) == {*STATS_FIELDS, "version", "observed_at"}
    assert f"INSERT INTO token_journal_{side} " in text


def test_a_full_pack_fits_a_page() -> None:
    arrays = len(STATS_FIELDS) + 3
    widest_token = TOKEN_BYTES + sum(KINDS[name].value.bytes for name in STATS_FIELDS)
    header, array_header, alignment = 24 + 8, 24, 8 + 8  # of a row; of an array; its bits and end
    longest = header + 8 + arrays * (array_header + alignment) + PACK_BYTES + widest_token
    assert longest <= 8160


def test_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(step.name.split("_")[0]) for step in known_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_what_is_not_applied_is_pending_in_order(count: int) -> None:
    applied = dict(list(APPLIED.items())[:count])
    assert list(pending_migrations(STEPS, applied)) == list(STEPS[count:])


def test_an_unknown_migration_means_that_the_program_is_too_old() -> None:
    with pytest.raises(BadConfiguration, match="newer than this program: it has 0003_third"):
        pending_migrations(STEPS, {**APPLIED, "0003_third": "x"})


def test_a_changed_migration_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="0001_first differs"):
        pending_migrations(STEPS, {**APPLIED, "0001_first": "x"})
