"""Snapshots: frozen, and every field declared."""

from collections.abc import Mapping

import attrs
import pytest

from domain.snapshots import (
    Declaration,
    FieldKind,
    Snapshot,
    counter,
    detail,
    gauge,
    read_declarations,
    read_fields,
    replace_fields,
    snapshot_class,
)


@snapshot_class
class Parent(Snapshot):
    sent: int = counter("Messages sent.", metric="messages_sent")
    note: str = detail("What people say.")


@snapshot_class
class Child(Parent):
    refused: Mapping[str, int] = gauge("Refused lately.", by="reason")


CHILD = Child(sent=3, note="well", refused={"junk": 1})


def test_declarations_of_a_child_follow_those_of_its_parent() -> None:
    assert {
        "sent": Declaration(kind=FieldKind.COUNTER, help="Messages sent.", metric="messages_sent"),
        "note": Declaration(kind=FieldKind.DETAIL, help="What people say."),
        "refused": Declaration(kind=FieldKind.GAUGE, help="Refused lately.", by="reason"),
    } == read_declarations(Child)


def test_values_are_those_of_every_field() -> None:
    assert {"sent": 3, "note": "well", "refused": {"junk": 1}} == read_fields(CHILD)


def test_replacing_a_field_leaves_the_original_and_the_others() -> None:
    assert Child(sent=4, note="well", refused={"junk": 1}) == replace_fields(CHILD, sent=4)
    assert 3 == CHILD.sent


def test_snapshot_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        CHILD.sent = 4  # type: ignore[misc]


def test_every_field_has_to_be_given() -> None:
    with pytest.raises(TypeError, match="note"):
        Parent(sent=3)  # type: ignore[call-arg]


def test_field_that_is_not_declared_is_refused() -> None:
    class Careless(Snapshot):
        sent: int = counter("Messages sent.")
        lost: int

    with pytest.raises(TypeError, match="Careless: not declared: lost"):
        snapshot_class(Careless)
