"""What psycopg raises, in the words of `domain.errors`."""

import psycopg
from psycopg import errors

from domain.errors import RowsRefused, StoreNeedsRepair, StoreUnavailable, TokenDiscoveryError

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


def session_survives(error: psycopg.Error) -> bool:
    """True when the session can go on after `error` and a rollback."""
    return isinstance(error, _SESSION_SURVIVES) and not _partition_is_gone(error)


def translated(error: psycopg.Error) -> TokenDiscoveryError:
    """`RowsRefused` where the rows are to blame, else `StoreUnavailable`: try again later.

    `StoreNeedsRepair` where a right or a table is missing: the message says what a person has to
    put right.
    """
    reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    if _rows_are_to_blame(error):
        return RowsRefused(reason)
    is_broken = isinstance(error, psycopg.ProgrammingError)
    return StoreNeedsRepair(reason) if is_broken else StoreUnavailable(reason)


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
