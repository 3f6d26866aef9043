"""What WebSocket clients may say."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FrameRefused
from feed.board import Cursor
from feed.commands import (
    MESSAGES,
    Command,
    FollowHealth,
    Ping,
    Subscribe,
    Unsubscribe,
    Unwatch,
    Watch,
    error_message,
    parse_command,
)
from tests.unit.feed.tokens import mint_of

MINT = mint_of(1)


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ({"type": "subscribe", "board": "hot"}, Subscribe(board="hot", since=None)),
        ({"type": "subscribe", "board": "new", "since": None}, Subscribe(board="new", since=None)),
        (
            {"type": "subscribe", "board": "new", "since": {"epoch": "e", "offset": 0}},
            Subscribe(board="new", since=Cursor(epoch="e", offset=0)),
        ),
        ({"type": "unsubscribe", "board": "bonded"}, Unsubscribe(board="bonded")),
        ({"type": "watch", "mint": MINT}, Watch(mint=MINT)),
        ({"type": "unwatch", "mint": MINT}, Unwatch(mint=MINT)),
        ({"type": "health"}, FollowHealth()),
        ({"type": "ping", "more": [1]}, Ping()),
    ],
)
def test_every_command_of_the_contract(frame: object, command: Command) -> None:
    assert command == parse_command(json.dumps(frame))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"{}", "text_expected"),
        ("", "malformed"),
        ("[]", "malformed"),
        ("[" * 10_000, "malformed"),
        ('{"type": "ping"', "malformed"),
        ("{}", "unknown_type"),
        ('{"type": ["ping"]}', "unknown_type"),
        ('{"type": "Ping"}', "unknown_type"),
        ('{"type": "subscribe"}', "unknown_board"),
        ('{"type": "subscribe", "board": ["new"]}', "unknown_board"),
        ('{"type": "subscribe", "board": "new", "since": 5}', "bad_since"),
        ('{"type": "subscribe", "board": "new", "since": {"epoch": "e"}}', "bad_since"),
        (
            '{"type": "subscribe", "board": "new", "since": {"epoch": "e", "offset": true}}',
            "bad_since",
        ),
        (
            '{"type": "subscribe", "board": "new", "since": {"epoch": "e", "offset": -1}}',
            "bad_since",
        ),
        ('{"type": "watch", "mint": "short"}', "bad_mint"),
        ('{"type": "watch"}', "bad_mint"),
    ],
)
def test_anything_else_is_refused_with_a_reason(message: str | bytes, reason: str) -> None:
    with pytest.raises(FrameRefused) as refusal:
        parse_command(message)
    assert reason == refusal.value.reason


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.text())
def test_every_refusal_has_an_error_frame(value: object) -> None:
    with pytest.raises(FrameRefused) as refusal:
        parse_command(json.dumps(value))
    assert refusal.value.reason == orjson.loads(error_message(refusal.value.reason))["code"]


def test_an_error_frame_has_a_code_and_a_message() -> None:
    expected = {"type": "error", "code": "malformed", "message": MESSAGES["malformed"]}
    assert expected == orjson.loads(error_message("malformed"))
