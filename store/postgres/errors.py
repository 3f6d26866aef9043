"""What psycopg raises, in the words of `domain.errors`, and without secrets.

A driver's text may repeat any part of the connection string: what libpq takes for a host, a user
or a value. So of libpq's own texts none is shown, but what they are known to mean; of the
server's, once it answers, the message, without what the address hides.
"""

import re
from collections.abc import Collection, Mapping

import psycopg
from psycopg import errors

from domain.errors import (
    BadConfiguration,
    RowsRefused,
    StoreConnectionLost,
    StoreNeedsRepair,
    StoreUnavailable,
    TokenDiscoveryError,
)

# After these the session is as good as before, once it is rolled back; after all others it is
# dropped, because a new one costs milliseconds and knows nothing of what went wrong.
_SESSION_SURVIVES = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)

# What libpq says when it cannot connect or loses the connection, also with the words of a server
# or pooler that refuses a client; and what it means. The first that is found counts.
_MEANINGS = {
    "password authentication failed|wrong password|sasl authentication failed": (
        "the server refuses the user or the password"
    ),
    "no password supplied": "the server wants a password",
    r'database "[^"]*" does not exist|no such database': "there is no such database",
    r'role "[^"]*" does not exist|no such user': "there is no such role",
    "pg_hba.conf": "the server's pg_hba.conf does not let this client in",
    "not permitted to log in": "the role may not log in",
    "permission denied for database": "the role may not connect to the database",
    "too many (clients|connections)|connection slots|no more connections allowed|"
    "query_wait_timeout": "the server has no connection to spare",
    "starting up": "the server is starting up",
    "shutting down": "the server is shutting down",
    "terminating connection": "the server ended the connection",  # also where it shuts down
    "recovery mode|in recovery": "the server is recovering",
    "read-only|read-write": "the server takes no writes",
    "does not support ssl": "the server does not offer TLS, which sslmode wants",
    "certificate": "the server's certificate is not accepted, or ours",
    "ssl|tls": "TLS failed",
    "statement_timeout|canceling statement": "a statement took too long",
    "connection refused": "Connection refused",
    "timeout expired|timed out|timeout": "no answer in time",
    "translate host name|resolve host|name or service not known|name resolution": (
        "the host's name is not known"
    ),
    "no route to host|network is unreachable|host is unreachable": "the host cannot be reached",
    "no such file or directory": "there is no such socket",
    "closed the connection|connection reset|broken pipe|connection is closed|connection is lost|"
    "eof detected|could not receive|could not send|consuming input": "the connection was lost",
}
_UNTOLD = "for a reason that is not told, since it might repeat the connection string"
# And what it will say again, however often it is asked.
_UNUSABLE = {
    "unsupported startup parameter": "the pooler refuses a parameter of the connection",
    "invalid value for parameter|configuration parameter|invalid command-line|cannot be changed|"
    "to set parameter": "the server refuses a setting in the connection string's options",
    "invalid connection option|invalid .*(value|integer|port)|service file|definition of service": (
        "the client library refuses a parameter of the connection"
    ),
}


def session_survives(error: psycopg.Error) -> bool:
    """True when the session can go on after `error` and a rollback."""
    return isinstance(error, _SESSION_SURVIVES) and not _partition_is_gone(error)


def refuses_options(error: psycopg.Error) -> bool:
    """True for a pooler that takes no `options` when a client connects."""
    return "unsupported startup parameter" in str(error)


def translate_error(error: psycopg.Error, secrets: Collection[str]) -> TokenDiscoveryError:
    """`RowsRefused` where the rows are to blame, else `StoreUnavailable`: try again later.

    Of that, `StoreConnectionLost` where no server is at the other end, and `StoreNeedsRepair`
    where a right or a table is missing: the message says what a person has to put right.
    `BadConfiguration` where the connection string is to blame.
    """
    if problem := _bad_configuration(error):
        return BadConfiguration(f"Postgres: {problem}")
    reason = describe_error(error, secrets)
    if _rows_are_to_blame(error):
        return RowsRefused(reason)
    if isinstance(error, psycopg.ProgrammingError):
        return StoreNeedsRepair(reason)
    is_lost = error.sqlstate is None  # the server has said nothing
    return StoreConnectionLost(reason) if is_lost else StoreUnavailable(reason)


def describe_error(error: psycopg.Error, secrets: Collection[str]) -> str:
    """The error in one line, by its kind and what it says, without any of the secrets."""
    told = error.diag.message_primary
    if told is None and not isinstance(error, psycopg.DataError):  # of values, so psycopg's own
        text = str(error)
        meaning = _find_meaning(text, _MEANINGS) or (_UNTOLD if text else "")
        return f"{type(error).__name__}: {meaning}"
    line = " ".join((told or str(error)).split())
    return f"{type(error).__name__}: {_without_secrets(line, secrets)}"


def _find_meaning(text: str, meanings: Mapping[str, str]) -> str | None:
    matches = (
        said for pattern, said in meanings.items() if re.search(pattern, text, re.IGNORECASE)
    )
    return next(matches, None)


def _without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text without the secrets, where they stand as words of their own."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    return text


def _bad_configuration(error: psycopg.Error) -> str | None:
    """What is wrong with the connection string or the pooler, where waiting changes nothing."""
    text = str(error)
    if "statement pooling mode" in text:
        return "the pooler is in statement mode, which knows no transactions: use transaction mode"
    return _find_meaning(text, _UNUSABLE) if error.diag.message_primary is None else None


def _rows_are_to_blame(error: psycopg.Error) -> bool:
    """True when the same rows will be refused again; a key that is taken is somebody's race."""
    if isinstance(error, errors.UniqueViolation) or _partition_is_gone(error):
        return False
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError)


def _partition_is_gone(error: psycopg.Error) -> bool:
    """True for a row without a partition, a check violation of no constraint.

    The inserter makes the partition it needs and remembers it with its session, so somebody
    else has dropped it since; a new session makes it again.
    """
    return isinstance(error, errors.CheckViolation) and error.diag.constraint_name is None
