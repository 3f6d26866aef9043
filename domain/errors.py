"""Every error of the service, in one tree.

A class's docstring is its default message; what caused it stands in attributes.
Adapters translate driver errors into these, so that actors see no driver.
"""

from collections.abc import Mapping
from typing import ClassVar


class TokenDiscoveryError(Exception):
    """Something went wrong in token-discovery."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class InputRefused(TokenDiscoveryError):
    """The outside world sent something that is not what it should be."""

    def __init__(self, sample: object, *, reason: str) -> None:
        self.reason = reason
        self.sample = repr(sample)[:200]
        super().__init__(f"{reason}: {self.sample}")


class MintRefused(InputRefused):
    """This is no token's mint."""


class FrameRefused(InputRefused):
    """This frame is not one that its protocol knows."""

    request_id: str | None = None  # by which who sent it knows it

    def __init__(self, sample: object, *, reason: str, message: str | None = None) -> None:
        self.message = message  # for who sent it; None: the usual one of the reason
        super().__init__(sample, reason=reason)


class QueryRefused(InputRefused):
    """A client asked for something that cannot be answered."""


class RuleRefused(TokenDiscoveryError):
    """This is no rule of an alert."""


class RequestRefused(TokenDiscoveryError):
    """An HTTP request that cannot be served."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class SourceUnavailable(TokenDiscoveryError):
    """An upstream did not answer, or not with what it promises."""

    def __init__(self, message: str | None = None, *, reason: str = "unexpected_answer") -> None:
        self.reason = reason  # what counters call it
        super().__init__(message)


class SourceInTrouble(SourceUnavailable):
    """An upstream cannot serve any request at the moment, whatever the request asks for."""


class RateLimited(SourceInTrouble):
    """An upstream asks for fewer requests."""

    def __init__(self, message: str | None = None, *, retry_after_seconds: float | None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message, reason="rate_limited")


class SourceClosed(SourceUnavailable):
    """An upstream turns this kind of request away, and will until somebody changes something."""

    def __init__(self, message: str | None = None, *, status: int) -> None:
        self.status = status  # of HTTP: 401, 403, 404 or 410
        super().__init__(message, reason=f"http_{status}")


class SourceRefused(SourceUnavailable):
    """An upstream is well, but will not do what was asked."""

    def __init__(self, message: str | None = None, *, code: int) -> None:
        self.code = code
        super().__init__(message, reason=f"rpc_{code}")


class FetchRefused(SourceUnavailable):
    """A document behind a stranger's link cannot be had, or not by the rules."""

    def __init__(self, message: str | None = None, *, reason: str, is_final: bool = False) -> None:
        self.is_final = is_final  # waiting will not mend it
        super().__init__(message, reason=reason)


class ImageRefused(TokenDiscoveryError):
    """This is no image that can be shown."""

    def __init__(self, message: str | None = None, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


class ImageNotKept(TokenDiscoveryError):
    """The directory of images cannot be written."""


class StoreUnavailable(TokenDiscoveryError):
    """Postgres cannot be reached, or not in time; a write may or may not have happened."""


class StoreConnectionLost(StoreUnavailable):
    """Postgres cannot be reached, or the connection to it was lost."""


class StoreNeedsRepair(StoreUnavailable):
    """A table or a right is missing: waiting does not help, and loses nothing either."""


class UpkeepFailed(StoreUnavailable):
    """A part of the store's upkeep failed; whatever does not need it was done."""


class RowsRefused(TokenDiscoveryError):
    """Postgres refused the values of at least one row; nothing of the batch was written."""


class BufferUnavailable(TokenDiscoveryError):
    """Redis cannot be reached, or not in time; a call may or may not have happened."""


class KeysForbidden(TokenDiscoveryError):
    """The Redis user may not read system:active_users and system:last_activity."""


class ActorReturned(TokenDiscoveryError):
    """An actor returned although nobody had asked it to."""


class ExitingError(TokenDiscoveryError):
    """The process must end with an exit code of its own."""

    exit_code: ClassVar[int] = 1

    def lines(self) -> list[str]:
        """What people are told."""
        return [str(self)]


class StoreNotReached(ExitingError):
    """A store could not be reached within the start deadline."""

    exit_code = 69


class ValuesNotSaved(ExitingError):
    """A drain ended before everything was saved."""

    exit_code = 69

    def __init__(self, unsaved: Mapping[str, int]) -> None:
        self.unsaved = dict(unsaved)
        counts = ", ".join(f"{name} ({count})" for name, count in self.unsaved.items())
        super().__init__(f"The drain ended before everything was saved. Lost: {counts}")


class ServiceNotReached(ExitingError):
    """The running service did not answer."""

    exit_code = 69


class RestartIntensityExceeded(ExitingError):
    """An actor failed more often than its restart intensity allows."""

    exit_code = 70


class AddressUnavailable(ExitingError):
    """The gateway cannot listen on its address."""

    exit_code = 70

    def __init__(self, message: str | None = None, *, is_taken: bool = False) -> None:
        self.is_taken = is_taken  # by another process, which may be about to leave
        super().__init__(message)


class BadConfiguration(ExitingError):
    """The configuration is not usable."""

    exit_code = 78


class SettingsInvalid(BadConfiguration):
    """The settings are not usable."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))

    def lines(self) -> list[str]:
        return self.problems
