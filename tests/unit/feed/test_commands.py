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
from feed.view_query import parse_view
from tests.unit.feed.tokens import mint_of

MINT = mint_of(1)
LIVING = "view:0123456789ab"


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ({"type": "subscribe", "board": "hot"}, Subscribe(board="hot", since=None)),
        ({"type": "subscribe", "board": "new", "since": None}, Subscribe(board="new", since=None)),
        (
            {"type": "subscribe", "board": "new", "since": {"epoch": "e", "offset": 0}},
            Subscribe(board="new", since=Cursor(epoch="e", offset=0)),
        ),
        (
            {"type": "subscribe", "board": "new", "encoding": "deflate"},
            Subscribe(board="new", since=None, is_deflated=True),
        ),
        (
            {"type": "subscribe", "board": "new", "encoding": None},
            Subscribe(board="new", since=None),
        ),
        (
            {"type": "subscribe", "board": LIVING, "id": "a"},
            Subscribe(board=LIVING, request_id="a", since=None),
        ),
        (
            {"type": "subscribe", "view": {"limit": 5}, "id": "a"},
            Subscribe(
                board=parse_view({"limit": 5}).name,
                view=parse_view({"limit": 5}),
                request_id="a",
                since=None,
            ),
        ),
        ({"type": "unsubscribe", "board": LIVING}, Unsubscribe(board=LIVING)),
        ({"type": "unsubscribe", "board": "bonded"}, Unsubscribe(board="bonded")),
        (
            {"type": "subscribe", "token": MINT, "encoding": "deflate"},
            Subscribe(board=f"token:{MINT}", since=None, is_deflated=True),
        ),
        (
            {"type": "subscribe", "board": f"token:{MINT}"},
            Subscribe(board=f"token:{MINT}", since=None),
        ),
        ({"type": "unsubscribe", "token": MINT}, Unsubscribe(board=f"token:{MINT}")),
        ({"type": "watch", "mint": MINT}, Watch(mint=MINT)),
        ({"type": "unwatch", "mint": MINT}, Unwatch(mint=MINT)),
        ({"type": "health"}, FollowHealth()),
        ({"type": "health", "heartbeat": None}, FollowHealth(wants_heartbeat=False)),
        ({"type": "health", "heartbeat": True}, FollowHealth(wants_heartbeat=True)),
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
        ('{"type": "subscribe", "board": "new", "encoding": "gzip"}', "unknown_encoding"),
        ('{"type": "subscribe", "board": "new", "encoding": ["deflate"]}', "unknown_encoding"),
        ('{"type": "health", "heartbeat": 1}', "bad_heartbeat"),
        ('{"type": "subscribe", "view": {"limit": 0}}', "bad_view"),
        ('{"type": "subscribe", "view": [], "board": null}', "bad_view"),
        ('{"type": "subscribe", "view": {}, "board": "new"}', "bad_view"),
        ('{"type": "subscribe", "view": {}, "id": 5}', "bad_view"),
        (json.dumps({"type": "subscribe", "view": {}, "id": "a" * 65}), "bad_view"),
        ('{"type": "subscribe", "view": {}, "since": 5}', "bad_since"),
        ('{"type": "subscribe", "board": "view:abc"}', "unknown_board"),
        ('{"type": "watch", "mint": "short"}', "bad_mint"),
        ('{"type": "watch"}', "bad_mint"),
        ('{"type": "subscribe", "token": "short"}', "bad_mint"),
        ('{"type": "subscribe", "token": null, "board": "new"}', "bad_mint"),
        ('{"type": "subscribe", "board": "token:"}', "bad_mint"),
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


def test_a_refusal_tells_which_request_it_is_of_and_what_is_wrong() -> None:
    with pytest.raises(FrameRefused) as refusal:
        parse_command('{"type": "subscribe", "view": {"sort": "hott"}, "id": "mine"}')
    told = refusal.value
    error = orjson.loads(error_message(told.reason, told.message, told.request_id))
    assert ("bad_view", "mine") == (error["code"], error["id"])
    assert "sort: hott is not known; did you mean hot?" == error["message"]


def test_an_error_frame_has_a_code_and_a_message() -> None:
    expected = {"type": "error", "code": "malformed", "message": MESSAGES["malformed"]}
    assert expected == orjson.loads(error_message("malformed"))
