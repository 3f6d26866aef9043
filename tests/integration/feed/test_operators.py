"""The operators' routes from this machine, from elsewhere and on their own port."""

import socket
from collections.abc import Mapping

import h11
import orjson
import pytest
import trio

from commands.main import main
from domain.errors import AddressUnavailable
from tests.integration.feed.clients import Answer, HttpClient, port_of, raw_client, serving
from tests.unit.feed.worlds import make_world

ROUTES = (
    "/ops",
    "/ops/runbook",
    "/metrics",
    "/api/ops/actors",
    "/api/ops/writes",
    "/api/ops/checkpoints",
    "/api/ops/governor",
    "/api/ops/health",
    "/api/ops/problems",
    "/api/ops/graph",
    "/api/ops/events",
    "/api/ops/history",
)
BASIC = {"Authorization": "Basic b3BlcmF0b3I6czNjcmV0"}  # operator:s3cret
BEARER = {"Authorization": "Bearer s3cret"}


def own_address() -> str | None:
    """An address of this machine that is no loopback; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing; the system chooses the address
        except OSError:
            return None
        address = str(asking.getsockname()[0])
    return None if address.startswith(("127.", "0.")) else address


ELSEWHERE = own_address()
needs_address = pytest.mark.skipif(ELSEWHERE is None, reason="this machine has a loopback only")


def free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as free:
        return int(free.getsockname()[1])


async def ask(
    address: str,
    port: int,
    path: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> Answer:
    async with await trio.open_tcp_stream(address, port) as stream:
        client = HttpClient(stream, h11.Connection(h11.CLIENT))
        return await client.request(path, method=method, headers=headers)


@needs_address
@pytest.mark.parametrize("path", ROUTES)
async def test_without_a_token_only_this_machine_is_answered(path: str) -> None:
    assert ELSEWHERE
    async with serving(host="0.0.0.0") as world:
        port = port_of(world)
        assert 200 == (await ask("127.0.0.1", port, path)).status
        answer = await ask(ELSEWHERE, port, path)
        assert (403, "forbidden") == (answer.status, answer.json["error"]["code"])
        assert "gateway.control_token" in answer.json["error"]["message"]
        assert 403 == (await ask(ELSEWHERE, port, path, BEARER)).status


@needs_address
@pytest.mark.parametrize("path", ROUTES)
async def test_with_a_token_it_is_asked_for_elsewhere(path: str) -> None:
    assert ELSEWHERE
    async with serving(host="0.0.0.0", control_token="s3cret") as world:
        port = port_of(world)
        answers = [await ask(ELSEWHERE, port, path, headers) for headers in ({}, BASIC, BEARER)]
        assert [401, 200, 200] == [answer.status for answer in answers]
        assert 200 == (await ask("127.0.0.1", port, path)).status


@needs_address
@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/assets/ops.js", "/api/tokens?mints="])
async def test_everybody_is_answered_everything_else(path: str) -> None:
    assert ELSEWHERE
    async with serving(host="0.0.0.0", control_token="s3cret") as world:
        assert 403 > (await ask(ELSEWHERE, port_of(world), path)).status


async def test_a_browser_is_told_to_ask_for_the_password() -> None:
    async with serving(control_token="s3cret") as world, raw_client(world) as stream:
        await stream.send_all(b"GET /ops HTTP/1.1\r\nHost: feed.example\r\n\r\n")
        lines = (await stream.receive_some()).decode().split("\r\n")
    challenges = [line for line in lines if line.startswith("WWW-Authenticate: ")]
    assert ["Basic", "Bearer"] == [line.split()[1] for line in challenges]  # one a line


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"X-Forwarded-For": "127.0.0.1"}, {"Via": "1.1 proxy"}]
)
async def test_neither_a_rebound_name_nor_a_proxy_makes_this_machine(
    headers: dict[str, str],
) -> None:
    fields = "".join(f"{k}: {v}\r\n" for k, v in ({"Host": "localhost"} | headers).items())
    async with serving() as world:
        for path in (*ROUTES, "/api/ops/none/such"):
            async with raw_client(world) as stream:
                await stream.send_all(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 403 ")


async def test_an_asterisk_lets_no_page_read_what_its_browser_may() -> None:
    async with serving(allowed_origins="*") as world:
        for path in ROUTES:
            headers = {"Origin": "https://evil.example"}
            answer = await ask("127.0.0.1", port_of(world), path, headers)
            assert 200 == answer.status
            assert "access-control-allow-origin" not in answer.headers


async def test_a_listed_page_may_operate_with_the_token() -> None:
    page = {"Origin": "https://app.example.com"}
    async with serving(allowed_origins=page["Origin"], control_token="s3cret") as world:
        answer = await ask("127.0.0.1", port_of(world), ROUTES[2], page | BEARER)
        assert page["Origin"] == answer.headers["access-control-allow-origin"]
        assert "access-control-allow-credentials" not in answer.headers


@needs_address
@pytest.mark.parametrize(("token", "refused"), [("", 403), ("s3cret", 401)])
async def test_users_elsewhere_are_told_by_whoever_may_change_things(
    token: str, refused: int
) -> None:
    assert ELSEWHERE
    ops_port = free_port()
    async with serving(host="0.0.0.0", control_token=token, ops_port=ops_port) as world:
        answer = await ask(ELSEWHERE, port_of(world), "/api/activity", method="POST")
        assert refused == answer.status
        if token:  # and the main port does not hide it: it is other servers' path
            answer = await ask(ELSEWHERE, port_of(world), "/api/activity", BEARER, method="POST")
            assert 400 == answer.status


# The operators' port.


@needs_address
@pytest.mark.parametrize("path", ROUTES)
async def test_the_operators_port_answers_everybody_and_the_other_one_hides(path: str) -> None:
    assert ELSEWHERE
    ops_port = free_port()
    async with serving(host="0.0.0.0", ops_port=ops_port) as world:
        main_port = port_of(world)
        assert {f"0.0.0.0:{main_port}", f"0.0.0.0:{ops_port}"} == set(world.gateway.addresses)
        assert 200 == (await ask(ELSEWHERE, ops_port, path)).status
        hidden = await ask(ELSEWHERE, main_port, path, BEARER)
        assert (404, "not_found") == (hidden.status, hidden.json["error"]["code"])
        assert 200 == (await ask("127.0.0.1", main_port, path)).status
        assert 200 == (await ask(ELSEWHERE, main_port, "/")).status


@needs_address
async def test_the_operators_port_is_changed_with_the_token_only() -> None:
    assert ELSEWHERE
    ops_port = free_port()
    async with serving(host="0.0.0.0", ops_port=ops_port, control_token="s3cret") as world:
        refused = await ask(ELSEWHERE, ops_port, "/api/ops/governor", method="POST")
        assert 401 == refused.status
        # A body is what is missing now.
        heard = await ask(ELSEWHERE, ops_port, "/api/ops/governor", BEARER, method="POST")
        assert 400 == heard.status
        assert 0 == world.governor.statistics().sent


async def test_an_operators_port_that_is_taken_ends_the_start_and_frees_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.gateway.LISTEN_AGAIN_SECONDS", 0.0)
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=f"127.0.0.1:{taken}: Address already in use"):
            await make_world(port=port, ops_port=taken).gateway.run()
    with socket.create_server(("127.0.0.1", port)):
        pass


# The commands that ask a running service.


async def run_command(monkeypatch: pytest.MonkeyPatch, *words: str, **settings: str | int) -> int:
    """The exit code of a command whose settings come from the environment."""
    for name, value in settings.items():
        monkeypatch.setenv(f"TOKEN_DISCOVERY__GATEWAY__{name.upper()}", str(value))
    return await trio.to_thread.run_sync(main, list(words))


@needs_address
async def test_commands_show_the_token_of_their_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ELSEWHERE
    async with serving(host=ELSEWHERE, control_token="s3cret") as world:
        where: dict[str, str | int] = {"host": ELSEWHERE, "port": port_of(world)}
        for command in ("dump", "govern"):
            assert 78 == await run_command(monkeypatch, command, **where)
            assert "refused: this wants the control token" in capsys.readouterr().err
        where["control_token"] = "s3cret"
        assert 0 == await run_command(monkeypatch, "dump", **where)
        assert {"of": "actors"} == orjson.loads(capsys.readouterr().out)
        assert 0 == await run_command(monkeypatch, "govern", **where)
        assert {"of": "governor"} == orjson.loads(capsys.readouterr().out)


@needs_address
async def test_commands_ask_on_the_operators_port_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ELSEWHERE
    ops_port = free_port()
    async with serving(host=ELSEWHERE, ops_port=ops_port) as world:
        where: dict[str, str | int] = {"host": ELSEWHERE, "port": port_of(world)}
        assert 69 == await run_command(monkeypatch, "dump", **where)
        assert "404" in capsys.readouterr().err
        assert 0 == await run_command(monkeypatch, "dump", **where, ops_port=ops_port)
        assert {"of": "actors"} == orjson.loads(capsys.readouterr().out)
