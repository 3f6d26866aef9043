"""Writes the programs' events as they print them, by the same published layouts, independently."""

import json
import struct
from base64 import b64encode
from importlib.resources import files
from typing import Any

import base58

from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP

FORMS = {"u8": "<B", "u16": "<H", "u64": "<Q", "i64": "<q", "bool": "<?"}
FILES = {
    PUMP: ("pump_events.json", "pump"),
    PUMPSWAP: ("pump_events.json", "pump_amm"),
    LAUNCHLAB: ("launchlab_events.json", "launchlab"),
}


def layout_of(program: str, name: str) -> Any:
    file, key = FILES[program]
    document = json.loads(files("sources.pump_chain").joinpath(file).read_text("utf-8"))
    return document["programs"][key]["events"][name]


def encode(program: str, name: str, /, **values: Any) -> bytes:
    """An event; fields not given are zero, empty or false."""
    layout = layout_of(program, name)
    data = bytes.fromhex(layout["discriminator"])
    for field, kind in layout["fields"]:
        value = values.pop(field, None)
        if kind == "pubkey":
            data += bytes(32) if value is None else base58.b58decode(value)
        elif kind == "string":
            text = (value or "").encode()
            data += struct.pack("<I", len(text)) + text
        elif kind in FORMS:
            data += struct.pack(FORMS[kind], value or 0)
        else:
            data += struct.pack("<I", 0)  # an empty vec
    assert values == {}, f"{name} has no {sorted(values)}"
    return data


def logs_of(*events: tuple[str, bytes]) -> list[str]:
    """A log in which each program prints its event."""
    lines = []
    for program, data in events:
        lines += [
            f"Program {program} invoke [1]",
            f"Program data: {b64encode(data).decode()}",
            f"Program {program} success",
        ]
    return lines


def notification(
    signature: str,
    logs: list[str],
    *,
    slot: int = 100,
    err: object = None,
    subscription: int = 7,
) -> str:
    value = {"signature": signature, "err": err, "logs": logs}
    result = {"context": {"slot": slot}, "value": value}
    params = {"result": result, "subscription": subscription}
    return json.dumps({"jsonrpc": "2.0", "method": "logsNotification", "params": params})
