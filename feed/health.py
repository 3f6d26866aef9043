"""Whether the service serves, and what is away, as clients are told of it. Pure.

ServiceHealth -> GET /readyz, GET /api/ops/health, the `health` message of /ws -> both pages
"""

import orjson
from attrs import frozen

from domain.values import UnixSeconds
from feed import ServiceHealth
from feed.wire import to_iso_time, to_milliseconds

READY, DEGRADED, NOT_READY = "ready", "degraded", "not ready"


@frozen(kw_only=True)
class HealthReport:
    """One look at the service's health."""

    status: str
    reasons: list[str]  # what keeps it from serving
    degraded: list[dict[str, object]]  # what is away while it serves: `{"name", "reason", "since"}`

    @property
    def document(self) -> dict[str, object]:
        """Every key, with empty lists where there is nothing to tell."""
        return {"status": self.status, "reasons": self.reasons, "degraded": self.degraded}

    @property
    def readiness(self) -> dict[str, object]:
        """The body of /readyz: the status, and the list that explains it."""
        shown = {READY: (), DEGRADED: ("degraded",), NOT_READY: ("reasons",)}[self.status]
        return {name: self.document[name] for name in ("status", *shown)}


def report_health(health: ServiceHealth) -> HealthReport:
    """Take one look at the service's health."""
    degraded: list[dict[str, object]] = [
        {"name": outage.name, "reason": outage.reason, "since": to_iso_time(outage.since)}
        for outage in health.outages()
    ]
    status = NOT_READY if not health.is_ready else DEGRADED if degraded else READY
    return HealthReport(status=status, reasons=list(health.reasons()), degraded=degraded)


def heartbeat_message(now: UnixSeconds) -> bytes:
    """`{"type": "heartbeat", "at"}`, in milliseconds since 1970."""
    return orjson.dumps({"type": "heartbeat", "at": to_milliseconds(now)})


def health_message(health: ServiceHealth) -> bytes:
    """`{"type": "health", "status", "reasons", "degraded"}`."""
    return orjson.dumps({"type": "health", **report_health(health).document})
