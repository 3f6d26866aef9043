"""A reader of chain logs that shares nothing with the market's writer but the published layouts."""

import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any

import base58

from commands.market.layouts import LAYOUTS

PROGRAMS = json.loads(LAYOUTS.read_text())["programs"]
PUMP, PUMP_AMM = PROGRAMS["pump"]["address"], PROGRAMS["pump_amm"]["address"]
LAUNCHLAB = "LanMV9sAd7wArD4vJFi2qDdfnVhFxYSUg6eADduJ3uj"
LAUNCHLAB_POOL_CREATE = "97d7e20976a173ae"
LAUNCHLAB_TRADE = "bddb7fd34ee661ee"
WIDTHS = {"u8": 1, "bool": 1, "u16": 2, "u64": 8, "i64": 8, "pubkey": 32}


def printed_events(logs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(program, bytes) of every `Program data:` line, by the invoke stack; it must balance."""
    stack: list[str] = []
    for line in logs:
        words = line.split()
        if words[0] == "Program" and words[2] == "invoke":
            stack.append(words[1])
            assert f"[{len(stack)}]" == words[3]
        elif words[0] == "Program" and words[2] in ("success", "failed:"):
            assert stack.pop() == words[1]
        elif line.startswith("Program data: "):
            yield stack[-1], b64decode(words[2])
    assert not stack


def decode_event(program: str, data: bytes) -> tuple[str, dict[str, Any]]:
    """Name and fields of a pump.fun or PumpSwap event that its layout uses to the last byte."""
    [described] = [p for p in PROGRAMS.values() if p["address"] == program]
    [(name, event)] = [
        (name, event)
        for name, event in described["events"].items()
        if event["discriminator"] == data[:8].hex()
    ]
    fields: dict[str, Any] = {}
    at = 8
    for field, kind in event["fields"]:
        width = WIDTHS.get(kind)
        if width is None:  # a string, or the vector, which is empty
            length = int.from_bytes(data[at : at + 4], "little")
            fields[field] = data[at + 4 : at + 4 + length].decode()
            at += 4 + length
            continue
        piece = data[at : at + width]
        assert len(piece) == width
        if kind == "pubkey":
            fields[field] = base58.b58encode(piece).decode()
        else:
            fields[field] = int.from_bytes(piece, "little", signed=kind == "i64")
        at += width
    assert at == len(data)
    return name, fields


def decode_launchlab_trade(data: bytes) -> dict[str, Any]:
    """LaunchLab's TradeEvent: the pool, 13 numbers, direction, status, exactness."""
    assert data[:8].hex() == LAUNCHLAB_TRADE
    assert len(data) == 147
    numbers = [int.from_bytes(data[at : at + 8], "little") for at in range(40, 144, 8)]
    names = (
        "total_base_sell", "virtual_base", "virtual_quote", "real_base_before",
        "real_quote_before", "real_base_after", "real_quote_after", "amount_in", "amount_out",
        "protocol_fee", "platform_fee", "creator_fee", "share_fee",
    )  # fmt: skip
    fields: dict[str, Any] = dict(zip(names, numbers, strict=True))
    pool = base58.b58encode(data[8:40]).decode()
    return fields | {"pool": pool, "is_sell": data[144], "status": data[145]}


def decode_launchlab_creation(data: bytes) -> dict[str, Any]:
    """LaunchLab's PoolCreateEvent up to the curve's parameters."""
    assert data[:8].hex() == LAUNCHLAB_POOL_CREATE
    keys = [base58.b58encode(data[at : at + 32]).decode() for at in (8, 40, 72)]
    texts, at = [], 105
    for _ in range(3):
        length = int.from_bytes(data[at : at + 4], "little")
        texts.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    numbers = [int.from_bytes(data[at + 1 + n : at + 9 + n], "little") for n in (0, 8, 16)]
    assert len(data) == at + 1 + 24 + 1 + 24 + 1
    return {"pool": keys[0], "creator": keys[1], "decimals": data[104], "texts": texts} | dict(
        zip(("supply", "for_sale", "goal"), numbers, strict=True)
    )
