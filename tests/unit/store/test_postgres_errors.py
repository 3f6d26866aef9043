"""Each error of psycopg has one meaning here, and none of its text that may be secret."""

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import DiagnosticField

from domain.errors import (
    BadConfiguration,
    RowsRefused,
    StoreConnectionLost,
    StoreNeedsRepair,
    StoreUnavailable,
)
from store.postgres.errors import describe_error, session_survives, translate_error

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
SECRETS = frozenset({"me", "hush", "h@sh", "my hush"})


def told_by_server(kind: type[psycopg.Error], message: str) -> psycopg.Error:
    """An error as the server tells it, once a session stands."""
    info: dict[int, bytes | None] = {DiagnosticField.MESSAGE_PRIMARY: message.encode()}
    return kind(f"{message}\nDETAIL: hush", info=info)


@pytest.mark.parametrize("kind", REFUSED)
def test_rows_are_refused_for_their_values(kind: type[psycopg.Error]) -> None:
    assert type(translate_error(kind("bad\nLINE 1"), ())) is RowsRefused
    assert session_survives(kind("bad"))


@pytest.mark.parametrize("kind", RETRIED)
def test_what_passes_by_itself_is_tried_again_on_the_same_session(
    kind: type[psycopg.Error],
) -> None:
    assert type(translate_error(kind("busy"), ())) is StoreUnavailable
    assert session_survives(kind("busy"))


@pytest.mark.parametrize("kind", LOST)
def test_anything_else_is_tried_again_on_a_new_session(kind: type[psycopg.Error]) -> None:
    translated = translate_error(kind("gone"), ())
    assert isinstance(translated, StoreUnavailable)
    has_answered = kind.sqlstate is not None
    assert isinstance(translated, StoreConnectionLost) is not has_answered
    assert not session_survives(kind("gone"))


def test_what_is_missing_wants_a_person() -> None:
    for missing in (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege):
        assert type(translate_error(missing("gone"), ())) is StoreNeedsRepair
        assert not session_survives(missing("gone"))


def test_a_taken_key_is_no_fault_of_the_row() -> None:
    assert type(translate_error(errors.UniqueViolation("taken"), ())) is StoreUnavailable


def test_the_reason_is_one_line_that_names_the_error() -> None:
    full = told_by_server(errors.DiskFull, "no space\n  left")
    assert str(translate_error(full, ())) == "DiskFull: no space left"
    assert str(translate_error(errors.DiskFull(""), ())) == "DiskFull: "


# -- Secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('connection to server at "hush" (1.2.3.4), port 5 failed: Connection refused',
         "Connection refused"),
        ('could not translate host name "b@hush" to address: Name or service not known',
         "the host's name is not known"),
        ("failed to resolve host 'hush': [Errno -2] Name or service not known",
         "the host's name is not known"),
        ('FATAL:  password authentication failed for user "hush"',
         "the server refuses the user or the password"),
        ('FATAL:  role "hush" does not exist', "there is no such role"),
        ('FATAL:  database "hush" does not exist', "there is no such database"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "hush", database "hush"',
         "the server's pg_hba.conf does not let this client in"),
        ("FATAL:  sorry, too many clients already", "the server has no connection to spare"),
        (
            "FATAL:  terminating connection due to administrator command",
            "the server ended the connection",
        ),
        ("FATAL:  the database system is shutting down", "the server is shutting down"),
        ("FATAL:  the database system is starting up", "the server is starting up"),
        ('connection to server on socket "/hush/.s.PGSQL.5432" failed: No such file or directory',
         "there is no such socket"),
        ("connection timeout expired", "no answer in time"),
        ("server closed the connection unexpectedly", "the connection was lost"),
        ("something about hush that nobody foresaw",
         "for a reason that is not told, since it might repeat the connection string"),
    ],
)  # fmt: skip
def test_a_failed_connection_is_told_by_its_meaning_alone(text: str, meaning: str) -> None:
    error = psycopg.OperationalError(f"connection failed: {text}")
    assert str(translate_error(error, SECRETS)) == f"OperationalError: {meaning}"


@pytest.mark.parametrize(
    "text",
    [
        'invalid sslmode value: "hush"',
        'invalid integer value "hush" for connection option "connect_timeout"',
        'invalid port number: "hush"',
        'invalid connection option "hush"',
        'definition of service "hush" not found',
        'FATAL:  unrecognized configuration parameter; invalid value for parameter "hush"',
        "FATAL:  unsupported startup parameter: hush",
    ],
)
def test_what_libpq_or_a_pooler_will_never_take_is_bad_configuration(text: str) -> None:
    for kind in (psycopg.OperationalError, psycopg.ProgrammingError):
        translated = translate_error(kind(text), SECRETS)
        assert isinstance(translated, BadConfiguration)
        assert "hush" not in str(translated)


def test_a_pooler_that_knows_no_transactions_is_bad_configuration() -> None:
    text = "transaction blocks not allowed in statement pooling mode"
    error = told_by_server(errors.ProtocolViolation, text)
    with pytest.raises(BadConfiguration, match="use transaction mode"):
        raise translate_error(error, ())


def test_what_the_server_says_is_told_without_the_secrets() -> None:
    error = told_by_server(errors.UndefinedObject, 'role "me" (my hush) is no h@sh, some hushed me')
    assert describe_error(error, SECRETS) == 'UndefinedObject: role "…" (…) is no …, some hushed …'
