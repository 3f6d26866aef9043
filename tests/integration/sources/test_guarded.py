"""The guarded client against a hostile server: what it refuses, and what it never connects to."""

import gzip
from functools import partial

import pytest
import trio

from domain.errors import FetchRefused
from sources.guarded import GuardedHttp, read_origins
from tests.integration.sources.strangers import (
    PUBLIC,
    Answer,
    Strangers,
    answers_with,
    redirects_to,
    says_nothing,
    sends_for_ever,
)
from tests.patience import PATIENCE_SECONDS

LINK = "https://coins.example/a"
BODY = b'{"name": "a coin"}'
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
BOUND_BYTES = 64 * 1024


async def fetch(world: Strangers, link: str = LINK, *, timeout_seconds: float = 5.0) -> bytes:
    with trio.fail_after(PATIENCE_SECONDS):
        client = world.client(timeout_seconds=timeout_seconds)
        return await client.fetch_body(link, BOUND_BYTES)


async def find_reason(world: Strangers, link: str = LINK, *, timeout_seconds: float = 5.0) -> str:
    with pytest.raises(FetchRefused) as refusal:
        await fetch(world, link, timeout_seconds=timeout_seconds)
    return refusal.value.reason


async def test_a_document_comes_from_the_address_that_was_checked_under_its_name() -> None:
    world = Strangers(answers={"/a": answers_with(BODY)})
    async with world.running():
        assert BODY == await fetch(world)
    assert [("coins.example", "/a")] == world.requests
    assert [(PUBLIC, 443)] == world.connected
    assert ["coins.example"] == world.resolved


async def test_the_certificate_must_be_that_of_the_name() -> None:
    world = Strangers(names={"coins.elsewhere": [[PUBLIC]]}, answers={"/a": answers_with(BODY)})
    async with world.running():
        assert "unreachable" == await find_reason(world, "https://coins.elsewhere/a")
    assert [] == world.requests


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("http://coins.example/a", "scheme"),
        ("ftp://coins.example/a", "scheme"),
        ("file:///etc/passwd", "address"),
        ("data:application/json,{}", "address"),
        ("javascript:alert(1)", "address"),
        ("https://", "address"),
        ("https://coins.example:99999999/a", "port"),
        ("https://coins.example\r\nx: y/a", "address"),
        ("https://coins.example:8443/a", "port"),
        ("https://coins.example:80/a", "port"),
        ("https://coins.example:0/a", "port"),
        ("https://user:secret@coins.example/a", "credentials"),
        ("https://user@coins.example/a", "credentials"),
        ("https://127.0.0.1/a", "private_address"),
        ("https://[::1]/a", "private_address"),
        ("https://[::ffff:127.0.0.1]/a", "private_address"),
        ("https://169.254.169.254/latest/meta-data/", "private_address"),
        ("https://[fd00:ec2::254]/latest/meta-data/", "private_address"),
    ],
)
async def test_a_link_that_breaks_a_rule_is_not_connected_to(link: str, reason: str) -> None:
    world = Strangers(answers={"/a": answers_with(BODY)})
    async with world.running():
        assert reason == await find_reason(world, link)
    assert [] == world.connected


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://127.0.0.1/", "private_address"),
        ("https://localhost/", "private_address"),
        ("https://2130706433/", "private_address"),
        ("https://169.254.169.254/latest/meta-data/iam/", "private_address"),
        ("https://[::ffff:169.254.169.254]/", "private_address"),
        ("http://coins.example/b", "scheme"),
        ("//coins.example:8443/b", "port"),
        ("https://user:secret@coins.example/b", "credentials"),
        ("file:///etc/passwd", "address"),
        ("https://" + "a" * 3000 + "/", "address"),
        ("", "address"),
    ],
)
async def test_each_redirect_keeps_the_rules(location: str, reason: str) -> None:
    world = Strangers(
        names={"localhost": [["127.0.0.1"]], "2130706433": [["127.0.0.1"]]},
        answers={"/a": redirects_to(location), "/b": answers_with(BODY)},
    )
    async with world.running():
        assert reason == await find_reason(world)
    assert [(PUBLIC, 443)] == world.connected  # of the first request alone


async def test_five_redirects_are_followed_and_a_loop_is_not() -> None:
    answers: dict[str, Answer] = {f"/{n}": redirects_to(f"/{n + 1}") for n in range(5)}
    world = Strangers(answers={**answers, "/5": answers_with(BODY), "/loop": redirects_to("/loop")})
    async with world.running():
        assert BODY == await fetch(world, "https://coins.example/0")
        assert "redirects" == await find_reason(world, "https://coins.example/loop")
    assert 6 == [path for _, path in world.requests].count("/loop")


async def test_nothing_that_a_server_sets_is_sent_again() -> None:
    cookie = ["set-cookie: session=1; path=/"]
    world = Strangers(answers={"/a": redirects_to("/b", headers=cookie), "/b": answers_with(BODY)})
    async with world.running():
        await fetch(world)
    assert not any(
        b"cookie" in head.lower() or b"authorization" in head.lower() for head in world.heads
    )


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    world = Strangers(names={"coins.example": [[PUBLIC, "10.0.0.1"]]})
    async with world.running():
        assert "private_address" == await find_reason(world)
    assert [] == world.connected


async def test_a_name_that_turns_private_after_the_check_is_not_asked_again() -> None:
    world = Strangers(
        names={"coins.example": [[PUBLIC], ["127.0.0.1"]]}, answers={"/a": answers_with(BODY)}
    )
    async with world.running():
        assert BODY == await fetch(world)  # one look-up, and the connection goes to its answer
        assert ["coins.example"] == world.resolved
        assert "private_address" == await find_reason(world)
    assert [(PUBLIC, 443)] == world.connected


async def test_a_name_that_turns_private_before_a_redirect_is_refused() -> None:
    world = Strangers(
        names={"coins.example": [[PUBLIC], ["127.0.0.1"]]},
        answers={"/a": redirects_to("https://coins.example/b"), "/b": answers_with(BODY)},
    )
    async with world.running():
        assert "private_address" == await find_reason(world)
    assert [("coins.example", "/a")] == world.requests


async def test_an_address_where_nobody_is_leaves_the_next_one() -> None:
    world = Strangers(
        names={"coins.example": [["1.1.1.1", PUBLIC]]}, answers={"/a": answers_with(BODY)}
    )
    async with world.running():
        assert BODY == await fetch(world)
        world.names["coins.example"] = [["1.1.1.1"]]
        assert "unreachable" == await find_reason(world)


GZIP = ["content-encoding: gzip"]
TOO_LARGE: dict[str, Answer] = {
    "endless": sends_for_ever(HEAD, b"x" * 4096),
    "10 MB": answers_with(b'["' + b"x" * 10_000_000 + b'"]'),
    "10 MB, said": answers_with(b"", length=10_000_000),
    "endless chunks": sends_for_ever(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"1000\r\n" + b"x" * 4096 + b"\r\n",
    ),
    "gzip bomb": answers_with(gzip.compress(bytes(50_000_000)), headers=GZIP),
}
BROKEN: dict[str, Answer] = {
    "cut off": answers_with(b"{", length=100),
    "gzip cut off": answers_with(gzip.compress(BODY)[:-9], headers=GZIP),
    "no gzip": answers_with(BODY, headers=GZIP),
    "no HTTP": answers_with(BODY, status="hello"),
    "endless head": sends_for_ever(b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 4096 + b"\r\n"),
}


@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_a_body_beyond_the_bound_is_left(kind: str) -> None:
    world = Strangers(answers={"/a": TOO_LARGE[kind]})
    async with world.running():
        assert "too_large" == await find_reason(world)


@pytest.mark.parametrize("kind", BROKEN)
async def test_an_answer_that_is_none_is_told_as_broken(kind: str) -> None:
    world = Strangers(answers={"/a": BROKEN[kind]})
    async with world.running():
        assert "broken_answer" == await find_reason(world)


async def test_gzip_is_unpacked_and_no_other_encoding_is_taken() -> None:
    world = Strangers(
        answers={
            "/a": answers_with(gzip.compress(BODY), headers=GZIP),
            "/b": answers_with(BODY, headers=["content-encoding: br"]),
        }
    )
    async with world.running():
        assert BODY == await fetch(world)
        assert "encoding" == await find_reason(world, "https://coins.example/b")


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(sends_for_ever(HEAD, b"x", pause_seconds=0.02), id="trickle"),
        pytest.param(says_nothing, id="silence"),
        pytest.param(
            sends_for_ever(
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"HTTP/1.1 100 Continue\r\n\r\n",
                pause_seconds=0.02,
            ),
            id="interim answers",
        ),
    ],
)
async def test_time_is_bounded_over_everything(slow: Answer) -> None:
    world = Strangers(answers={"/a": slow, "/r": redirects_to("/a")})
    async with world.running():
        began_at = trio.current_time()
        assert "timeout" == await find_reason(world, "https://coins.example/r", timeout_seconds=0.5)
        assert 0.5 <= trio.current_time() - began_at < 5


async def test_a_name_server_that_does_not_answer_costs_the_same_time() -> None:
    world = Strangers()

    async def resolve_never(_host: str, _port: int) -> list[str]:
        await trio.sleep_forever()
        raise AssertionError

    async with world.running():
        client = world.client(timeout_seconds=0.2)
        client.resolve = resolve_never
        with pytest.raises(FetchRefused) as refusal:
            await client.fetch_body(LINK, BOUND_BYTES)
    assert "timeout" == refusal.value.reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [("404 Not Found", "http_404"), ("418 Teapot", "http_4xx"), ("599 Odd", "http_5xx")],
)
async def test_reasons_of_statuses_are_few(status: str, reason: str) -> None:
    world = Strangers(answers={"/a": answers_with(b"", status=status)})
    async with world.running():
        assert reason == await find_reason(world)


async def test_a_trusted_origin_may_be_private_without_tls_and_on_any_port() -> None:
    world = Strangers(answers={"/a": answers_with(BODY)})
    async with world.running():
        trusted = f"http://127.0.0.1:{world.plain_port}"
        client = GuardedHttp(timeout_seconds=5.0, trusted_origins=read_origins(trusted))
        assert BODY == await client.fetch_body(f"{trusted}/a", BOUND_BYTES)  # no hook at all
        fetch_other = partial(client.fetch_body, f"http://127.0.0.1:{world.port}/a", BOUND_BYTES)
        with pytest.raises(FetchRefused):
            await fetch_other()
        world.answers["/r"] = redirects_to("https://127.0.0.1/a")
        with pytest.raises(FetchRefused) as refusal:
            await client.fetch_body(f"{trusted}/r", BOUND_BYTES)
    assert "private_address" == refusal.value.reason


async def test_the_real_resolver_finds_loopback_private_and_nonsense_unresolved() -> None:
    client = GuardedHttp(timeout_seconds=5.0)
    for link, reason in (
        ("https://localhost/a", "private_address"),
        ("https://127.1/a", "private_address"),
        ("https://0x7f.0.0.1/a", "private_address"),
        ("https://..example/a", "unresolved"),
        (f"https://{'a' * 70}.invalid/a", "unresolved"),
    ):
        with pytest.raises(FetchRefused) as refusal:
            await client.fetch_body(link, BOUND_BYTES)
        assert reason == refusal.value.reason, link
