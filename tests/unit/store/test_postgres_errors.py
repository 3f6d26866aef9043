"""Each error of psycopg has one meaning here."""

import psycopg
import pytest
from psycopg import errors

from domain.errors import RowsRefused, StoreNeedsRepair, StoreUnavailable
from store.postgres.errors import session_survives, translated

REFUSED = [errors.NumericValueOutOfRange, errors.UntranslatableCharacter, errors.NotNullViolation]
RETRIED = [
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
]
LOST = [
    errors.AdminShutdown,
    errors.CannotConnectNow,
    errors.ConnectionTimeout,
    errors.DiskFull,
    errors.ReadOnlySqlTransaction,
    psycopg.OperationalError,
    psycopg.InterfaceError,
]


@pytest.mark.parametrize("kind", REFUSED)
def test_rows_are_refused_for_their_values(kind: type[psycopg.Error]) -> None:
    assert type(translated(kind("bad\nLINE 1"))) is RowsRefused
    assert session_survives(kind("bad"))


@pytest.mark.parametrize("kind", RETRIED)
def test_what_passes_by_itself_is_tried_again_on_the_same_session(
    kind: type[psycopg.Error],
) -> None:
    assert type(translated(kind("busy"))) is StoreUnavailable
    assert session_survives(kind("busy"))


@pytest.mark.parametrize("kind", LOST)
def test_anything_else_is_tried_again_on_a_new_session(kind: type[psycopg.Error]) -> None:
    assert type(translated(kind("gone"))) is StoreUnavailable
    assert not session_survives(kind("gone"))


def test_what_is_missing_wants_a_person() -> None:
    for missing in (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege):
        assert type(translated(missing("gone"))) is StoreNeedsRepair
        assert not session_survives(missing("gone"))


def test_a_taken_key_is_no_fault_of_the_row() -> None:
    assert type(translated(errors.UniqueViolation("taken"))) is StoreUnavailable


def test_the_reason_is_one_line_that_names_the_error() -> None:
    assert str(translated(errors.DiskFull("no space\nHINT: buy"))) == "DiskFull: no space"
    assert str(translated(errors.DiskFull(""))) == "DiskFull: "
