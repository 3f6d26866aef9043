"""The log: one JSON object a line on stderr, or lines for people with `console`."""

import logging
import sys
from typing import Any

import structlog
from attrs import define

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@define
class Threshold:
    """Drops what is below `level`; the level can change while the service runs."""

    level: str

    def __call__(self, _: Any, method: str, event: structlog.typing.EventDict) -> Any:
        if LEVELS.get(method, LEVELS["error"]) < LEVELS[self.level]:
            raise structlog.DropEvent
        return event


def configure_log(level: str, form: str) -> Threshold:
    """Set the process's log up; the threshold returned is the one in force."""
    threshold = Threshold(level)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if form == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            threshold,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    # Libraries that use the standard log say only what a person must know.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("trio-websocket").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return threshold
