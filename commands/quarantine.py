"""Look at what a running service could not handle, and have it replayed or dropped.

A row that Postgres refuses, or a message that crashes its reader again and again, is put aside with
its reason, and everything else goes on. Once the cause is mended (a constraint dropped, a new
release), `replay` hands it back to where it came from; `drop` forgets it.

  quarantine list             a line an entry, oldest first; --parked: updates that wait for their
                              token, and are tried by themselves
  quarantine show ID          all of one, as JSON
  quarantine replay ID|--all  one after the other; exit code 1 when one was refused again. A message
                              that crashes its reader once more ends --all
  quarantine drop ID|--all

A service with a gateway.control_token wants it: of --config, or in
TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN; one without is heard from its own machine only.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx
import orjson

from commands.dump import add_address_arguments, address_of, credentials_of, require_accepted
from domain.errors import BadConfiguration, ServiceNotReached

POLL_SECONDS = 0.05
REFUSED_AGAIN = 1  # exit code
COLUMNS = ("ID", "KIND", "TRIES", "AGE", "MINT", "REASON")
PARKED_COLUMNS = ("MINT", "AGE", "FIELDS", "REASON")
NOTHING = "-"

Entry = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="list|show|replay|drop", required=True)
    listing = actions.add_parser("list", help="a line an entry")
    listing.add_argument("--json", action="store_true", help="all that is told, for machines")
    listing.add_argument("--parked", action="store_true", help="updates that wait for their token")
    showing = actions.add_parser("show", help="all of one entry, as JSON")
    showing.add_argument("id", metavar="ID")
    for name, summary in (("replay", "hand back what was refused"), ("drop", "forget it")):
        order = actions.add_parser(name, help=summary)
        chosen = order.add_mutually_exclusive_group(required=True)
        chosen.add_argument("id", metavar="ID", nargs="?")
        chosen.add_argument("--all", action="store_true", help="every entry, oldest first")
    for action in actions.choices.values():
        add_address_arguments(action)


def run(arguments: argparse.Namespace) -> int:
    address = f"{address_of(arguments)}/api/ops/quarantine"
    headers = credentials_of(arguments)
    try:
        with httpx.Client(timeout=arguments.timeout, headers=headers) as client:
            return ACTIONS[arguments.action](Quarantine(client, address), arguments)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ServiceNotReached(f"no answer from {address}: {error}") from error


class Quarantine:
    """The quarantine of a running service."""

    def __init__(self, client: httpx.Client, address: str) -> None:
        self.client, self.address = client, address

    def read_list(self) -> dict[str, Any]:
        return self._ask("GET", "")

    def read_entry(self, entry_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/{entry_id}")

    def order_replay(self, entry_id: str) -> None:
        self._ask("POST", f"/{entry_id}/replay")

    def order_drop(self, entry_id: str) -> None:
        self._ask("DELETE", f"/{entry_id}")

    def wait_until_decided(self, before: Entry) -> Entry | None:
        """None once the entry is gone; the entry once it was refused again."""
        until = time.monotonic() + float(self.client.timeout.read or 0.0)
        while time.monotonic() < until:
            answer = self.client.get(f"{self.address}/{before['id']}")
            if answer.status_code == 404:
                return None
            require_accepted(answer)
            entry: dict[str, Any] = answer.json()
            if entry["tries"] > before["tries"] and entry["state"] == "waiting":
                return entry
            time.sleep(POLL_SECONDS)
        raise ServiceNotReached(
            f"{before['id']}: the service took the order, and has not carried it out yet; is a "
            "store away? `quarantine list` tells"
        )

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        answer = self.client.request(method, self.address + path)
        if answer.status_code in (404, 409):
            raise BadConfiguration(f"refused: {answer.json()['error']['message']}")
        require_accepted(answer)
        document: dict[str, Any] = answer.json()
        return document


# The actions.


def list_entries(quarantine: Quarantine, arguments: argparse.Namespace) -> int:
    report = quarantine.read_list()
    if arguments.json:
        return _print_json(report["parked"] if arguments.parked else report)
    now = time.time()
    if arguments.parked:
        rows = [_parked_row(update, now) for update in report["parked"]]
        print(format_table(PARKED_COLUMNS, rows) if rows else "nothing is parked")
        if (more := report["parkedCount"] - len(rows)) > 0:
            print(f"and {more} younger ones")
        return 0
    rows = [_entry_row(entry, now) for entry in report["entries"]]
    print(format_table(COLUMNS, rows) if rows else "the quarantine is empty")
    for note in list_notes(report):
        print(f"note: {note}", file=sys.stderr)
    return 0


def show_entry(quarantine: Quarantine, arguments: argparse.Namespace) -> int:
    return _print_json(quarantine.read_entry(arguments.id))


def replay_entries(quarantine: Quarantine, arguments: argparse.Namespace) -> int:
    code = 0
    for entry in _chosen_entries(quarantine, arguments):
        if arguments.all and not entry["isReplayable"]:
            print(f"{entry['id']}: only a description was kept; it can be dropped")
            continue
        quarantine.order_replay(entry["id"])
        after = quarantine.wait_until_decided(entry)
        if after is None:
            print(f"{entry['id']}: taken")
            continue
        code = REFUSED_AGAIN
        print(f"{entry['id']}: refused again: {make_printable(after['reason'])}")
        if entry["kind"] == "message":  # each crash counts towards the actor's restarts
            break
    return code


def drop_entries(quarantine: Quarantine, arguments: argparse.Namespace) -> int:
    for entry in _chosen_entries(quarantine, arguments):
        quarantine.order_drop(entry["id"])
        if quarantine.wait_until_decided(entry) is not None:
            print(f"{entry['id']}: came again meanwhile")
        else:
            print(f"{entry['id']}: dropped")
    return 0


ACTIONS: Mapping[str, Callable[[Quarantine, argparse.Namespace], int]] = {
    "list": list_entries,
    "show": show_entry,
    "replay": replay_entries,
    "drop": drop_entries,
}


def _chosen_entries(quarantine: Quarantine, arguments: argparse.Namespace) -> Sequence[Entry]:
    if not arguments.all:
        return [quarantine.read_entry(arguments.id)]
    entries = quarantine.read_list()["entries"]
    return [entry for entry in entries if entry["state"] == "waiting"]


# Words. Pure.


def list_notes(report: Entry) -> list[str]:
    """What is to be known beside the entries."""
    notes = []
    if not report["isComplete"]:
        notes.append("Redis is away: what earlier processes have left there is not shown")
    if report["unsaved"]:
        notes.append(f"{report['unsaved']} of them are not in Redis yet")
    if report["dropped"]:
        notes.append(f"{report['dropped']} older ones were lost; {report['limit']} are kept")
    if report["parkedCount"]:
        notes.append(
            f"updates that wait for their token: {report['parkedCount']}; --parked shows them"
        )
    return notes


def format_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows under their columns' names, each as wide as it needs to be; the last one is free."""
    lines = [columns, *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def format_age(seconds: float) -> str:
    """Two digits or three, and a unit."""
    for unit_seconds, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_seconds:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"


def make_printable(text: str) -> str:
    """The text without what would command a terminal: strangers have named the tokens."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _entry_row(entry: Entry, now: float) -> tuple[str, ...]:
    state = "" if entry["state"] == "waiting" else f"({entry['state']}) "
    return (
        entry["id"],
        entry["kind"],
        str(entry["tries"]),
        format_age(now - entry["refusedAt"]),
        make_printable(entry["mint"] or NOTHING),
        state + make_printable(entry["reason"]),
    )


def _parked_row(update: Entry, now: float) -> tuple[str, ...]:
    return (
        make_printable(update["mint"]),
        format_age(now - update["since"]),
        " ".join(update["fields"]),
        update["reason"],
    )


def _print_json(document: object) -> int:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    return 0
