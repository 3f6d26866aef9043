"""Entries of the quarantine: what is kept of a row or a message, and under which id."""

from typing import Any

import orjson
import pytest
from attrs import frozen

from buffer.entries import (
    LARGEST_CONTENT_BYTES,
    LONGEST_DESCRIPTION,
    LONGEST_REASON,
    decode_entry,
    encode_entry,
    make_entry,
    make_message_entry,
)
from domain.messages import BirthReplayed, TokenUpdated, TradeSeen, UpdateReplayed
from domain.quarantine import EntryKind, QuarantineEntry
from domain.token import Token
from domain.values import Mint, UnixSeconds

MINT, OTHER_MINT = Mint("A" * 44), Mint("B" * 44)


def entry_of(subject: object, kind: EntryKind = "message", reason: str = "why") -> QuarantineEntry:
    return make_entry(
        subject, kind=kind, place="ingest", reason=reason, refused_at=UnixSeconds(9.0)
    )


def birth(mint: Mint = MINT, **fields: Any) -> Token:
    return Token(mint=mint, first_seen_at=UnixSeconds(1.0), **fields)


def update(mint: Mint = MINT, **values: Any) -> TokenUpdated:
    return TokenUpdated(mint=mint, observed_at=UnixSeconds(1.0), origin="x", values=values)


def trade(**fields: Any) -> TradeSeen:
    return TradeSeen(mint=MINT, seen_at=UnixSeconds(1.0), side="buy", **fields)


@frozen
class Stranger:
    """A message of which nothing is known."""

    text: str


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_an_entry_holds_all_of_what_it_is_of() -> None:
    made = entry_of(birth(name="NUL \x00"), kind="birth")
    assert ("birth", "ingest", MINT, "why", 9.0, 1) == (
        made.kind,
        made.place,
        made.mint,
        made.reason,
        made.refused_at,
        made.tries,
    )
    assert birth(name="NUL \x00") == made.restore_content()
    assert made == decode_entry({**_read_json(made), "of_a_newer_release": 1})


def _read_json(entry: QuarantineEntry) -> dict[str, Any]:
    row: dict[str, Any] = orjson.loads(encode_entry(entry))
    return row


@pytest.mark.parametrize(
    ("kind", "one", "same"),
    [
        ("birth", birth(name="first"), birth(name="second")),
        ("update", update(price_usd=1.0), update(price_usd=2.0)),
        ("message", trade(signature="one"), trade(signature="one")),
    ],
)
def test_the_same_again_is_the_same_entry(kind: EntryKind, one: object, same: object) -> None:
    assert entry_of(one, kind).id == entry_of(same, kind, reason="another").id


def test_others_are_other_entries() -> None:
    entries = [
        entry_of(birth(), "birth"),
        entry_of(birth(OTHER_MINT), "birth"),
        entry_of(update(price_usd=1.0), "update"),
        entry_of(update(price_usd=1.0, holder_count=1), "update"),
        entry_of(update(OTHER_MINT, price_usd=1.0), "update"),
        entry_of(trade(signature="one")),
        entry_of(trade(signature="two")),
    ]
    assert len(entries) == len({entry.id for entry in entries})


@pytest.mark.parametrize(
    "subject",
    [
        Stranger("what is told"),
        update(website="\ud800 what is told"),
        trade(signature="what is told" + "x" * LARGEST_CONTENT_BYTES),
    ],
    ids=lambda subject: type(subject).__name__,
)
def test_what_cannot_be_kept_whole_is_described_and_not_replayable(subject: object) -> None:
    made = entry_of(subject)
    assert not made.is_replayable
    assert "what is told" in made.content["description"]
    assert len(made.content["description"]) <= LONGEST_DESCRIPTION
    assert made.content["obstacle"]
    assert made == decode_entry(_read_json(made))
    with pytest.raises(ValueError, match="only a description"):
        made.restore_content()


def test_a_message_that_cannot_even_be_told_is_kept() -> None:
    made = entry_of(Unspeakable())
    assert "Unspeakable, whose repr raises RuntimeError" == made.content["description"]


def test_reasons_and_descriptions_hold_no_secret() -> None:
    made = entry_of(Stranger("postgresql://me:hunter2@host"), reason="api_key=hunter2")
    assert "hunter2" not in encode_entry(made)


def test_a_reason_is_bounded_and_can_be_said() -> None:
    made = entry_of(birth(), reason="\ud800" + "x" * 10_000)
    assert LONGEST_REASON == len(made.reason)
    assert made == decode_entry(_read_json(made))


@pytest.mark.parametrize(
    ("replay", "kind", "content"),
    [
        (BirthReplayed(entry_id="0123456789", token=birth()), "birth", birth()),
        (UpdateReplayed(entry_id="0123456789", update=update(a=1)), "update", update(a=1)),
    ],
)
def test_a_replay_that_crashes_its_reader_is_the_entry_that_was_replayed(
    replay: object, kind: str, content: object
) -> None:
    made = make_message_entry("ingest", replay, reason="why", refused_at=UnixSeconds(9.0))
    assert ("0123456789", kind, content) == (made.id, made.kind, made.restore_content())
