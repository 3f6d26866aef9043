"""Upstreams get into trouble one at a time, and come out of it again."""

from random import Random

import pytest

from commands.market.limits import SlidingWindow
from commands.market.troubles import (
    DURATION_SECONDS,
    GRACE_SECONDS,
    STREAMS,
    Trouble,
    Troubles,
    next_trouble,
)


def test_silence_and_refusals_end() -> None:
    troubles = Troubles()
    troubles.begin(Trouble(upstream="pumpapi", status=None, seconds=1.0))
    troubles.begin(Trouble(upstream="jupiter", status=429, seconds=1.0))
    assert "pumpapi silent, jupiter 429" == troubles.describe()
    troubles.end("pumpapi")
    troubles.end("jupiter")
    assert "" == troubles.describe()


def test_drawn_troubles_hit_streams_and_providers_in_bounded_time() -> None:
    random = Random(1)
    drawn = [next_trouble(60.0, random) for _ in range(300)]
    assert all(wait >= GRACE_SECONDS for wait, _ in drawn)
    assert 60.0 == pytest.approx(sum(wait for wait, _ in drawn) / 300, rel=0.15)
    low, high = DURATION_SECONDS
    assert all(low <= trouble.seconds <= high for _, trouble in drawn)
    silent = {trouble.upstream for _, trouble in drawn if trouble.status is None}
    assert set(STREAMS) == silent  # only a stream can lie silent
    refusing = {trouble.upstream for _, trouble in drawn if trouble.status is not None}
    assert {"dexscreener", "jupiter", "rpc", "metadata", *STREAMS} == refusing


def test_sliding_window_refuses_beyond_its_limit_and_says_how_long() -> None:
    window = SlidingWindow(per_minute=2)
    assert [0.0, 0.0] == [window.wait_seconds(100.0), window.wait_seconds(110.0)]
    assert 35.0 == window.wait_seconds(125.0)
    assert 0.0 == window.wait_seconds(160.0)
    assert 9.0 == window.wait_seconds(161.0)
