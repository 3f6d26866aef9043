"""Decoding of Anchor events: the recordings to the last byte, and anything else without harm."""

import json
from base64 import b64decode
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sources.program_logs import walk_lines
from sources.pump_chain.events import AnchorEvent, decode_event
from sources.pump_chain.programs import LAUNCHLAB, LAYOUTS, PUMP, PUMPSWAP, list_events
from tests.unit.sources.chain_events import encode, layout_of
from tests.unit.sources.recordings import DATA, frames, load

PUMPFUN_LOGS = "solana-pubsub/logs_subscribe_pumpfun_2026-07-04.dev.jsonl"
OLD_LOGS = "solana-pubsub/onlogs_callbacks_pump_raydium_trades_2024-11.jsonl"
BLACK_CAT = "solana-pubsub/launchlab_creation_logs_2026-10-02_black_cat.json"
MINT = "6gbFk1RxAsN3VMw4WUTKvhi2QXsGDBqYCKGrY4umpump"


def events_in(logs: object) -> list[AnchorEvent]:
    refused: Counter[str] = Counter()
    found = [event for _, event in list_events(logs, refused)]
    assert refused == {}
    return found


def recorded_logs() -> list[object]:
    messages = [json.loads(text) for text in frames(PUMPFUN_LOGS)]
    values = [m["params"]["result"]["value"] for m in messages if "params" in m]
    return [value["logs"] for value in values]


def test_recorded_events_of_today_are_read_to_the_last_byte() -> None:
    found = [event for logs in recorded_logs() for event in events_in(logs)]
    whole = Counter(event.name for event in found if event.unread_bytes == 0)
    assert {"TradeEvent": 56, "CreateEvent": 11} == whole
    assert len(found) == 67


def test_trades_of_2024_end_before_the_fees_and_count_as_far_as_they_go() -> None:
    lines = (DATA / OLD_LOGS).read_text().splitlines()
    found = [e for line in lines for e in events_in(json.loads(line)["logs"]["logs"])]
    assert [(10, 0)] * 5 == [(len(event.values), event.unread_bytes) for event in found]
    assert all(event.read_integer("virtual_sol_reserves") for event in found)
    assert {None} == {event.read_key("fee_recipient") for event in found}


def test_a_recorded_launchlab_creation_is_read_to_the_last_byte() -> None:
    created, traded = events_in(load(BLACK_CAT)["logs"])
    assert (0, 0) == (created.unread_bytes, traded.unread_bytes)
    assert ("Black Cat", "CAT") == (created.read_text("name"), created.read_text("symbol"))
    assert 1_000_000_000_000_000 == created.read_integer("supply")
    assert 33_282_558_972_030 == traded.read_integer("amount_out")
    assert traded.is_set("exact_in")


def test_an_event_cut_within_a_field_keeps_the_whole_fields_before_it() -> None:
    data = encode(PUMP, "TradeEvent", mint=MINT, sol_amount=5, token_amount=7)
    event = decode_event(data[: 8 + 32 + 8 + 3], LAYOUTS[PUMP])
    assert event is not None
    assert (MINT, 5, None) == (
        event.read_key("mint"),
        event.read_integer("sol_amount"),
        event.read_integer("token_amount"),
    )
    assert 3 == event.unread_bytes


def test_bytes_beyond_the_known_fields_are_left_unread() -> None:
    event = decode_event(encode(PUMP, "CompleteEvent", mint=MINT) + b"new", LAYOUTS[PUMP])
    assert event is not None
    assert 3 == event.unread_bytes


def test_a_key_of_zeros_is_none() -> None:
    event = decode_event(encode(PUMP, "CompleteEvent"), LAYOUTS[PUMP])
    assert event is not None
    assert event.read_key("mint") is None


def test_only_lines_that_the_program_itself_wrote_count() -> None:
    data = "Program data: " + "vdt/007mYe4="
    stranger = "Fake" + PUMP[4:]
    logs = [
        data,
        f"Program {stranger} invoke [1]",
        data,
        f"Program log: Program {PUMP} invoke [2]",
        data,
        f"Program {PUMP} invoke [2]",
        data,
        f"Program {PUMP} success",
        data,
        f"Program {stranger} success",
        data,
        "Log truncated",
    ]
    writers = [program for program, line in walk_lines(logs) if line == data]
    assert [stranger, stranger, PUMP, stranger] == writers
    assert 1 == len(events_in(logs))


def test_what_is_no_base64_is_counted() -> None:
    refused: Counter[str] = Counter()
    logs = [f"Program {PUMP} invoke [1]", "Program data: ***", "Program data: é"]
    assert [] == list(list_events(logs, refused))
    assert {"not_base64": 2} == refused


@given(
    program=st.sampled_from([PUMP, PUMPSWAP, LAUNCHLAB]),
    data=st.data(),
    tail=st.binary(max_size=600),
)
def test_any_bytes_after_any_discriminator_are_read_without_an_error(
    program: str, data: st.DataObject, tail: bytes
) -> None:
    discriminator = data.draw(st.sampled_from(sorted(LAYOUTS[program])))
    event = decode_event(discriminator + tail, LAYOUTS[program])
    assert event is not None
    assert 0 <= event.unread_bytes <= len(tail)


@given(cut=st.integers(0, 400))
def test_every_prefix_of_an_event_reads_a_prefix_of_its_fields(cut: int) -> None:
    whole = encode(PUMP, "TradeEvent", mint=MINT, sol_amount=1, ix_name="buy", timestamp=9)
    event = decode_event(whole[: 8 + cut], LAYOUTS[PUMP])
    assert event is not None
    names = [name for name, _ in layout_of(PUMP, "TradeEvent")["fields"]]
    assert names[: len(event.values)] == list(event.values)


def test_data_is_what_the_recording_holds() -> None:
    """The decoder and the base64 of the recording agree on a value known from its frame."""
    line = load(BLACK_CAT)["logs"]
    data = [b64decode(text[14:]) for text in line if text.startswith("Program data: ")]
    assert [249, 147] == [len(each) for each in data]


@given(program=st.sampled_from([PUMP, PUMPSWAP, LAUNCHLAB]), data=st.data())
def test_the_fields_read_in_one_go_are_those_read_one_by_one(
    program: str, data: st.DataObject
) -> None:
    discriminator = data.draw(st.sampled_from(sorted(LAYOUTS[program])))
    layout = LAYOUTS[program][discriminator]
    size = layout.head.size
    tail = data.draw(st.binary(min_size=size, max_size=size))
    whole = decode_event(discriminator + tail, LAYOUTS[program])
    cut = decode_event(discriminator + tail[:-1], LAYOUTS[program])
    assert whole is not None
    assert cut is not None
    assert layout.head_names == tuple(whole.values)
    assert layout.head_names[:-1] == tuple(cut.values)
    assert cut.values.items() <= whole.values.items()


def test_a_program_that_fails_by_its_compute_units_has_ended() -> None:
    failed = f"Program {PUMP} failed: exceeded CUs meter at BPF instruction: all compute units"
    data = "Program data: AAAA"
    logs = [f"Program {PUMP} invoke [1]", f"Program {PUMPSWAP} invoke [2]", data]
    logs += [f"Program {PUMPSWAP} consumed 9 of 10 compute units", data]
    logs += [failed.replace(PUMP, PUMPSWAP), data]
    assert [PUMPSWAP, PUMPSWAP, PUMP] == [program for program, _ in walk_lines(logs)]
