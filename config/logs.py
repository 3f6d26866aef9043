"""The log: one JSON object a line on stderr, or lines for people with `console`.

    structlog, logging, warnings, uncaught errors  ->  the same processors  ->  stderr

No text gets there before secrets are removed from it.
"""

import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from attrs import define

from config.redaction import find_secrets, redact_text, register_secrets
from config.settings import Settings

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
MACHINE_MADE = ("level", "timestamp")  # fields that hold nothing from outside


@define
class Threshold:
    """Drops what is below `level`; the level can change while the service runs."""

    level: str

    def __call__(self, _: Any, method: str, event: structlog.typing.EventDict) -> Any:
        if LEVELS.get(method, LEVELS["error"]) < LEVELS[self.level]:
            raise structlog.DropEvent
        return event


def configure_log(settings: Settings) -> Threshold:
    """Set up the log of the process; returns the threshold in force.

    From now on the secrets of the settings are hidden, and uncaught errors go to the log too.
    """
    register_secrets(find_secrets(settings))
    threshold = Threshold(settings.logging.level)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if settings.logging.format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            threshold,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact_event,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    _log_what_libraries_say()
    _log_uncaught_errors()
    return threshold


def redact_event(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last processor before the renderer: no secret in any text of the line."""
    return {
        name: value if name in MACHINE_MADE else _redact_value(value)
        for name, value in event.items()
    }


def _redact_value(value: object) -> object:
    """`value` with every text in it redacted; what JSON does not know becomes its `repr`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {redact_text(str(key)): _redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(item) for item in value]
    return redact_text(repr(value))


# What does not come through structlog.


class LibraryLogHandler(logging.Handler):
    """Passes records of Python's standard log on to the service's log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # the library's format does not fit its arguments
            message = str(record.msg)
        log = structlog.get_logger(library=record.name)
        level = record.levelname.lower()
        method = level if level in LEVELS else "error"
        getattr(log, method)(message, exc_info=record.exc_info)


def _log_what_libraries_say() -> None:
    """Libraries that use the standard log say only what a person must know."""
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLogHandler()], force=True)
    logging.getLogger("trio-websocket").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _log_uncaught_errors() -> None:
    """Have the log tell the errors that Python itself would write to stderr as they are."""

    def log_error(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or issubclass(kind, KeyboardInterrupt):
            return
        structlog.get_logger().critical("uncaught error", exc_info=(kind, error, trace))

    sys.excepthook = log_error
    threading.excepthook = lambda told: log_error(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: log_error(told.exc_type, told.exc_value, told.exc_traceback)
