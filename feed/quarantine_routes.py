"""The quarantine, as operators look at it and give orders about it.

    GET /api/ops/quarantine, /api/ops/quarantine/{id}
    POST /api/ops/quarantine/{id}/replay  ->  ReplayWanted  ->  quarantine
    DELETE /api/ops/quarantine/{id}       ->  DropWanted    ->  quarantine

An order is answered 202 as soon as it is on its way. What became of it shows in the entry: it is
gone (404), or waits again with one try more.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import define

from domain.errors import RequestRefused
from domain.quarantine import DropWanted, QuarantineOrder, ReplayWanted
from feed import Operations, Surroundings
from feed.http import HttpRequest, HttpResponse, json_response
from feed.token_routes import Route

QUARANTINE_PATH = "/api/ops/quarantine"
REPLAY = "replay"


@define(eq=False)
class QuarantineRoutes:
    """Answers what operators ask of the quarantine."""

    operations: Operations
    surroundings: Surroundings

    def find_route(self, path: str) -> Route | None:
        """The route of a path; None for one that is not answered here."""
        if path == QUARANTINE_PATH:
            return self._get_list
        entry_id, order = _split_path(path)
        if not entry_id:
            return None
        return partial(self._replay_entry if order else self._use_entry, entry_id)

    async def _get_list(self, request: HttpRequest) -> HttpResponse:
        return json_response(self.operations.quarantine())

    async def _use_entry(self, entry_id: str, request: HttpRequest) -> HttpResponse:
        entry = self._require_entry(entry_id)
        if request.method != "DELETE":
            return json_response(entry)
        _require_waiting(entry)
        return self._give_order(DropWanted(entry_id=entry_id), "drop")

    async def _replay_entry(self, entry_id: str, request: HttpRequest) -> HttpResponse:
        entry = self._require_entry(entry_id)
        _require_waiting(entry)
        if not entry["isReplayable"]:
            raise RequestRefused(
                409, "not_replayable", "only a description of this was kept; it can be dropped"
            )
        return self._give_order(ReplayWanted(entry_id=entry_id), REPLAY)

    def _give_order(self, order: QuarantineOrder, name: str) -> HttpResponse:
        self.surroundings.order(order)
        return json_response({"accepted": {"id": order.entry_id, "order": name}}, status=202)

    def _require_entry(self, entry_id: str) -> Mapping[str, Any]:
        entry = self.operations.quarantined(entry_id)
        if entry is None:
            raise RequestRefused(404, "unknown_entry", "the quarantine has no entry of this id")
        return entry


def quarantine_methods(path: str) -> tuple[str, ...] | None:
    """The methods that a path of the quarantine answers; None for any other path."""
    if path == QUARANTINE_PATH:
        return ("GET", "HEAD", "OPTIONS")
    entry_id, order = _split_path(path)
    if not entry_id:
        return None
    return ("OPTIONS", "POST") if order else ("DELETE", "GET", "HEAD", "OPTIONS")


def _split_path(path: str) -> tuple[str, str]:
    """The entry's id and the order; no id for what is no path of an entry."""
    rest = path.removeprefix(f"{QUARANTINE_PATH}/")
    entry_id, slash, order = rest.partition("/")
    is_known = order == REPLAY if slash else True
    return (entry_id, order) if rest != path and is_known else ("", "")


def _require_waiting(entry: Mapping[str, Any]) -> None:
    state = entry["state"]
    if state != "waiting":
        raise RequestRefused(409, "entry_busy", f"this entry is {state} already")
