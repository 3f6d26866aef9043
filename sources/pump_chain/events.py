"""Anchor events: from the bytes of a `Program data:` line to named fields. No I/O.

    base64 -> 8 bytes of discriminator, then fields in borsh -> AnchorEvent

Little-endian integers; a string is a u32 of its bytes and UTF-8; a pubkey is 32 bytes; a vec is a
u32 of its elements. Programs append fields over time, so an event may end after any field: what is
there counts. One cut off within a field keeps the whole fields before it.

Sources: the borsh specification (borsh.io); Anchor's event encoding (`emit!`, discriminator =
sha256("event:Name")[:8]); the layouts of pump and PumpSwap are those of the programs' published
IDL of 2026-05 (pump_events.json), those of LaunchLab of its published IDL (launchlab_events.json).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import takewhile
from struct import Struct

import base58
from attrs import frozen

DISCRIMINATOR_BYTES = 8
PUBKEY_BYTES = 32
LONGEST_STRING_BYTES = 4096  # a transaction has 1,232 bytes
MOST_ELEMENTS = 64  # of a vec
REMEMBERED_ADDRESSES = 50_000  # as text

# The kinds of fixed size, as `struct` packs them.
FORMS = {"u8": "B", "u16": "H", "u64": "Q", "i64": "q", "bool": "?", "pubkey": f"{PUBKEY_BYTES}s"}

Reader = Callable[[bytes, int], tuple[object, int]]  # value and the offset after it
Structs = Mapping[str, tuple[tuple[str, Reader], ...]]


class _Short(Exception):
    """The bytes end within a field."""


@frozen(kw_only=True)
class AnchorEvent:
    """One event: its name, the fields that are there, and how many bytes follow the known ones."""

    name: str
    values: Mapping[str, object]
    unread_bytes: int

    def read_integer(self, name: str) -> int | None:
        """An integer field; None where the event ended before it."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def read_text(self, name: str) -> str | None:
        """A string field; None where the event ended before it."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def read_key(self, name: str) -> str | None:
        """A public key in base58; None where it is missing or all zero, which means none."""
        value = self.values.get(name)
        return encode_key(value) if isinstance(value, bytes) and any(value) else None

    def is_set(self, name: str) -> bool:
        """True where a flag is there and set."""
        return self.values.get(name) is True


@frozen
class EventLayout:
    """The name of an event, and its fields in order.

    The fields before the first one of variable size are read in one go, where all of them are
    there: thousands of events a second have nothing else.
    """

    name: str
    fields: tuple[tuple[str, Reader], ...]
    head: Struct  # the first fields, of fixed size
    head_names: tuple[str, ...]

    @classmethod
    def from_kinds(
        cls, name: str, fields: Sequence[Sequence[object]], structs: Structs
    ) -> "EventLayout":
        """The layout of an event whose fields are told as (name, kind)."""
        fixed = list(takewhile(lambda field: field[1] in FORMS, fields))
        head = Struct("<" + "".join(FORMS[str(kind)] for _, kind in fixed))
        return cls(
            name, _list_readers(fields, structs), head, tuple(str(each) for each, _ in fixed)
        )


@lru_cache(maxsize=REMEMBERED_ADDRESSES)
def encode_key(key: bytes) -> str:
    """A public key as people write it."""
    return base58.b58encode(key).decode()


def decode_event(data: bytes, layouts: Mapping[bytes, EventLayout]) -> AnchorEvent | None:
    """The event in `data`; None for one that is none of `layouts`."""
    layout = layouts.get(data[:DISCRIMINATOR_BYTES])
    if layout is None:
        return None
    values: dict[str, object] = {}
    offset = DISCRIMINATOR_BYTES
    fields = layout.fields
    if len(data) >= offset + layout.head.size:
        values = dict(zip(layout.head_names, layout.head.unpack_from(data, offset), strict=True))
        offset += layout.head.size
        fields = fields[len(values) :]
    for name, read in fields:
        try:
            values[name], offset = read(data, offset)
        except _Short:
            break
    return AnchorEvent(name=layout.name, values=values, unread_bytes=len(data) - offset)


def load_layouts(file: str, program: str) -> Mapping[bytes, EventLayout]:
    """The layouts of one program in a file beside this module, by discriminator."""
    document = json.loads(files(__package__).joinpath(file).read_text("utf-8"))
    structs = {name: _list_readers(fields, {}) for name, fields in _read_structs(document).items()}
    return {
        bytes.fromhex(event["discriminator"]): EventLayout.from_kinds(
            name, event["fields"], structs
        )
        for name, event in document["programs"][program]["events"].items()
    }


def _read_structs(document: Mapping[str, object]) -> dict[str, list[list[object]]]:
    """Structs that events contain; Shareholder is that of pump's fee-sharing configuration."""
    told = document.get("structs", {})
    shareholder: list[list[object]] = [["address", "pubkey"], ["share_bps", "u16"]]
    return {"Shareholder": shareholder, **(told if isinstance(told, dict) else {})}


def _list_readers(
    fields: Sequence[Sequence[object]], structs: Structs
) -> tuple[tuple[str, Reader], ...]:
    return tuple((str(name), _choose_reader(kind, structs)) for name, kind in fields)


def _choose_reader(kind: object, structs: Structs) -> Reader:
    """The reader of a field; a compound kind stands in the file as JSON within the JSON."""
    if isinstance(kind, str) and kind.startswith("{"):
        kind = json.loads(kind)
    if isinstance(kind, dict):
        return _make_vec_reader(structs[kind["vec"]["defined"]["name"]])
    return READERS[str(kind)]


# The readers of single fields.


def _make_fixed_reader(form: str) -> Reader:
    packed = Struct("<" + form)

    def read_fixed(data: bytes, offset: int) -> tuple[object, int]:
        end = offset + packed.size
        if end > len(data):
            raise _Short
        return packed.unpack_from(data, offset)[0], end

    return read_fixed


def _read_string(data: bytes, offset: int) -> tuple[object, int]:
    start = offset + 4
    size = int.from_bytes(data[offset:start], "little")
    if start > len(data) or size > LONGEST_STRING_BYTES or start + size > len(data):
        raise _Short
    return data[start : start + size].decode(errors="replace"), start + size


def _make_vec_reader(fields: tuple[tuple[str, Reader], ...]) -> Reader:
    def read_vec(data: bytes, offset: int) -> tuple[object, int]:
        number = int.from_bytes(data[offset : offset + 4], "little")
        if offset + 4 > len(data) or number > MOST_ELEMENTS:
            raise _Short
        offset += 4
        elements: list[dict[str, object]] = []
        for _ in range(number):
            element: dict[str, object] = {}
            for name, read in fields:
                element[name], offset = read(data, offset)
            elements.append(element)
        return elements, offset

    return read_vec


READERS: Mapping[str, Reader] = {
    **{kind: _make_fixed_reader(form) for kind, form in FORMS.items()},
    "string": _read_string,
}
