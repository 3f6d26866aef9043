"""Anchor events in borsh, by the layouts that sources/pump_chain/pump_events.json lists.

    encode_event("pump", "TradeEvent", {...}) -> discriminator and fields -> base64 in a log line

Borsh: numbers little-endian, a string as its length in 4 bytes and UTF-8, a key as 32 bytes.
"""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from commands.market.keys import key_bytes

LAYOUTS = Path(__file__).parents[2] / "sources" / "pump_chain" / "pump_events.json"
NO_KEY = bytes(32)
NUMBER_FORMATS = {"u8": "<B", "u16": "<H", "u64": "<Q", "i64": "<q"}

Encode = Callable[[Any], bytes]


def string_bytes(text: object) -> bytes:
    encoded = str(text).encode()
    return len(encoded).to_bytes(4, "little") + encoded


def encode_event(program: str, name: str, values: Mapping[str, object]) -> bytes:
    """The event's bytes; fields that `values` leaves out are zero, an unknown one `KeyError`."""
    discriminator, fields = EVENTS[program, name]
    if not values.keys() <= fields.keys():
        raise KeyError(values.keys() - fields.keys())
    parts = [discriminator]
    for field, (encode, absent) in fields.items():
        parts.append(encode(values[field]) if field in values else absent)
    return b"".join(parts)


def _encoder(kind: str) -> tuple[Encode, bytes]:
    """How a field of this kind is encoded, and what stands for nothing."""
    if kind in NUMBER_FORMATS:
        pack = struct.Struct(NUMBER_FORMATS[kind]).pack
        return pack, pack(0)
    if kind == "bool":
        return lambda value: b"\1" if value else b"\0", b"\0"
    if kind == "pubkey":
        return lambda value: key_bytes(str(value)), NO_KEY
    return string_bytes, bytes(4)  # the one vector, of shareholders, is always empty


def _read_layouts() -> dict[tuple[str, str], tuple[bytes, dict[str, tuple[Encode, bytes]]]]:
    layouts: dict[tuple[str, str], tuple[bytes, dict[str, tuple[Encode, bytes]]]] = {}
    for program, described in json.loads(LAYOUTS.read_text(encoding="utf-8"))["programs"].items():
        for name, event in described["events"].items():
            fields = {field: _encoder(kind) for field, kind in event["fields"]}
            layouts[program, name] = (bytes.fromhex(event["discriminator"]), fields)
    return layouts


EVENTS = _read_layouts()
