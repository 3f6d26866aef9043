"""Errors as dumps and logs show them: what, where, when; bounded and without secrets."""

import traceback
from pathlib import Path

from attrs import frozen

from domain.errors import ExitingError
from domain.values import UnixSeconds
from supervision.description import shorten_text

STACK_FRAMES = 20  # innermost frames kept of a traceback


@frozen(kw_only=True)
class Failure:
    """One error that ended an actor."""

    type: str
    message: str
    origin: str  # the innermost line of the service's own code
    frames: tuple[str, ...]  # innermost last
    at: UnixSeconds

    def __str__(self) -> str:
        return f"{self.type}: {self.message} ({self.origin})"


def describe_failure(error: Exception, at: UnixSeconds) -> Failure:
    """What is worth keeping of `error`; its frames and their values are let go."""
    cause = error.__cause__
    message = f"{error} (caused by {type(cause).__name__}: {cause})" if cause else str(error)
    innermost = find_first_error(error)
    frames = traceback.extract_tb(innermost.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return Failure(
        type=type(error).__name__,
        message=shorten_text(message),
        origin=_describe_frame(own[-1]) if own else "",
        frames=tuple(_describe_frame(frame) for frame in frames[-STACK_FRAMES:]),
        at=at,
    )


def unwrap_error(error: Exception) -> Exception:
    """The `ExitingError` inside nested groups; else the one error in them.

    A group of several errors stays as it is.
    """
    if isinstance(error, ExceptionGroup) and (exiting := error.subgroup(ExitingError)) is not None:
        return find_first_error(exiting)
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def find_first_error(error: Exception) -> Exception:
    """The first error inside nested groups."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _describe_frame(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    return f"{path.parent.name}/{path.name}:{frame.lineno} {frame.name}"
