"""What `token-discovery quarantine` prints, and what it does with what the service answers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from commands.main import main
from commands.quarantine import format_age, format_table, list_notes, make_printable

REPORT = {"isComplete": True, "unsaved": 0, "dropped": 0, "limit": 1000, "parkedCount": 0}
Handler = Callable[[httpx.Request], httpx.Response]


def entry(entry_id: str, tries: int = 1, **more: Any) -> dict[str, Any]:
    usual = {
        "id": entry_id,
        "kind": "birth",
        "tries": tries,
        "refusedAt": 0.0,
        "mint": None,
        "reason": f"no {tries}",
        "state": "waiting",
        "isReplayable": True,
    }
    return usual | more


def test_a_table_is_as_wide_as_its_cells_need() -> None:
    assert "ID   REASON\n1    long words\n100  short" == format_table(
        ("ID", "REASON"), [("1", "long words"), ("100", "short")]
    )


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5.0, "0 s"),
        (59.4, "59 s"),
        (119.0, "119 s"),
        (600.0, "10 min"),
        (2e4, "6 h"),
        (2e5, "2 d"),
    ],
)
def test_an_age_is_told_in_the_unit_that_fits(seconds: float, age: str) -> None:
    assert age == format_age(seconds)


def test_what_strangers_have_named_commands_no_terminal() -> None:
    assert "a\ufffd[2J\ufffd币" == make_printable("a\x1b[2J\n币")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"isComplete": False}, ["Redis is away"]),
        ({"unsaved": 2}, ["2 of them are not in Redis yet"]),
        ({"dropped": 3}, ["3 older ones were lost; 1000 are kept"]),
        ({"parkedCount": 4}, ["updates that wait for their token: 4"]),
    ],
)
def test_degraded_things_are_told_by_name(changes: dict[str, Any], words: list[str]) -> None:
    notes = list_notes(REPORT | changes)
    assert len(words) == len(notes)
    assert all(note.startswith(word) for note, word in zip(notes, words, strict=True))


class Service:
    """Answers as a service does whose replays end as they are told to."""

    def __init__(self, *entries: dict[str, Any], refuses: str = "") -> None:
        self.entries = {each["id"]: each for each in entries}
        self.refuses = refuses  # the ids that are refused again, in one text
        self.orders: list[str] = []
        self.acts = True

    def answer(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.removeprefix("/api/ops/quarantine").split("/")[1:]
        if not parts:
            return httpx.Response(200, json=REPORT | {"entries": list(self.entries.values())})
        known = self.entries.get(parts[0])
        if known is None:
            return httpx.Response(404, json={"error": {"code": "x", "message": "unknown id"}})
        if request.method == "GET":
            return httpx.Response(200, json=known)
        self.orders.append(f"{request.method} {parts[0]}")
        if not self.acts:
            return httpx.Response(202, json={})
        if known["id"] in self.refuses:
            self.entries[known["id"]] = known | entry(known["id"], known["tries"] + 1)
        else:
            del self.entries[known["id"]]
        return httpx.Response(202, json={})


@pytest.fixture
def ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command against a service; its exit code and what it printed."""

    client = httpx.Client

    def run(service: Service, *words: str) -> tuple[int, str]:
        transport = httpx.MockTransport(service.answer)
        monkeypatch.setattr(httpx, "Client", partial(client, transport=transport))
        code = main(["quarantine", *words, "--url", "http://service.test"])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_all_are_replayed_but_what_cannot_be(ask: Callable[..., tuple[int, str]]) -> None:
    service = Service(entry("a"), entry("b", isReplayable=False), entry("c"), refuses="a")
    code, printed = ask(service, "replay", "--all")
    assert (1, ["POST a", "POST c"]) == (code, service.orders)
    assert printed.splitlines() == [
        "a: refused again: no 2",
        "b: only a description was kept; it can be dropped",
        "c: taken",
    ]


def test_a_message_that_crashes_its_reader_again_ends_the_replays(
    ask: Callable[..., tuple[int, str]],
) -> None:
    service = Service(entry("a", kind="message"), entry("b"), refuses="a")
    assert (1, ["POST a"]) == (ask(service, "replay", "--all")[0], service.orders)


def test_all_are_dropped(ask: Callable[..., tuple[int, str]]) -> None:
    service = Service(entry("a"), entry("b", state="replaying"), entry("c", isReplayable=False))
    assert (0, "a: dropped\nc: dropped\n") == ask(service, "drop", "--all")
    assert ["DELETE a", "DELETE c"] == service.orders


def test_an_unknown_id_is_one_line_and_78(ask: Callable[..., tuple[int, str]]) -> None:
    for words in (("show", "x"), ("replay", "x"), ("drop", "x")):
        code, printed = ask(Service(), *words)
        assert (78, 1) == (code, len(printed.splitlines()))
        assert "refused: unknown id" in printed


def test_an_order_that_is_not_carried_out_in_time_is_told_with_69(
    ask: Callable[..., tuple[int, str]],
) -> None:
    service = Service(entry("a"))
    service.acts = False
    code, printed = ask(service, "replay", "a", "--timeout", "0.2")
    assert (69, 1) == (code, len(printed.splitlines()))
    assert "has not carried it out yet" in printed


@pytest.mark.parametrize("words", [("replay",), ("drop",), (), ("replay", "a", "--all")])
def test_bad_usage_is_78(words: tuple[str, ...], ask: Callable[..., tuple[int, str]]) -> None:
    assert 78 == ask(Service(), *words)[0]
