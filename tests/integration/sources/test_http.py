"""The HTTP helper and the look-ups over real sockets on loopback, under the real clock."""

import gzip
import socket

import pytest
import trio

from domain.errors import RateLimited, SourceUnavailable
from domain.values import Mint
from sources.dexscreener import DexScreener
from sources.holders import JupiterHolders, RpcHolders
from sources.rpc import JsonRpc
from sources.sol_price import JupiterSolPrice
from tests.integration.sources.http_server import AnsweringServer, answers, reaching, sends
from tests.patience import PATIENCE_SECONDS
from tests.unit.sources.recordings import load
from tests.unit.sources.test_holders import token_account

PXMR = Mint("B5R7Xt9pXBHDAs2jkJ67nM2Wwch1napBsdzMxk56qpJk")
CORGI = Mint("7ehsmTN3JRgZ54A4T6WN2PSKgM2FhxJ4bbgGV8Y1pump")


async def test_requests_share_a_connection() -> None:
    server = AnsweringServer([answers({"a": 1})])
    async with reaching(server) as http:
        assert [await http.get(server.url + "/x") for _ in range(3)] == [{"a": 1}] * 3
        assert server.connections == 1


async def test_dexscreener_is_read_over_a_socket() -> None:
    server = AnsweringServer([answers(load("dexscreener/tokens_v1_mixed_dexids.json"))])
    async with reaching(server) as http:
        quotes = await DexScreener(url=server.url, http=http).fetch_quotes([PXMR])
        assert quotes[PXMR].values["price_usd"] == 0.00004282
        assert server.targets == [b"/tokens/v1/solana/" + PXMR.encode()]


async def test_jupiter_is_read_over_a_socket() -> None:
    server = AnsweringServer(
        [
            answers(load("jupiter/tokens_v2_search_bonding_curve_pumpfun_token.json")),
            answers(load("jupiter/price_v3_sol_bonk_2026-07-03.json")),
        ]
    )
    async with reaching(server) as http:
        counts = await JupiterHolders(url=server.url, http=http).fetch_holders([CORGI])
        assert counts[CORGI].holder_count == 14
        assert await JupiterSolPrice(url=server.url, http=http).fetch_sol_usd() == pytest.approx(
            81.633
        )


async def test_owners_are_counted_over_a_socket() -> None:
    first = {"jsonrpc": "2.0", "id": 1, "result": [token_account(1, 1)]}
    second = {"jsonrpc": "2.0", "id": 1, "result": [token_account(n, 1) for n in range(1, 9)]}
    server = AnsweringServer([answers(first), answers(second)])
    async with reaching(server) as http:
        counts = await RpcHolders(rpc=JsonRpc(url=server.url, http=http)).fetch_holders([CORGI])
        assert counts[CORGI].holder_count == 8


async def test_429_over_a_socket_says_for_how_long() -> None:
    headers = b"Retry-After: 10\r\n"
    server = AnsweringServer([answers({"code": 429}, b"429 Too Many Requests", headers)])
    async with reaching(server) as http:
        with pytest.raises(RateLimited) as error:
            await http.get(server.url)
        assert error.value.retry_after_seconds == 10


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def never(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    server = AnsweringServer([never])
    async with reaching(server, timeout_seconds=0.1) as http:
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.1 s"):
            await http.get(server.url)


async def test_a_body_that_drips_is_given_up_in_the_same_total_time() -> None:
    async def drips(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            await stream.send_all(b" ")
            await trio.sleep(0.02)

    server = AnsweringServer([drips, answers(1)])
    async with reaching(server, timeout_seconds=0.2) as http:
        with pytest.raises(SourceUnavailable, match="no answer within"):
            await http.get(server.url)  # the whole body would take 20 s
        http.timeout_seconds = PATIENCE_SECONDS
        assert await http.get(server.url) == 1  # and the client is as good as new


async def test_an_endless_body_is_cut_off_at_the_bound() -> None:
    async def endless(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"1000\r\n" + b" " * 0x1000 + b"\r\n")

    server = AnsweringServer([endless, answers(1)])
    async with reaching(server, largest_body_bytes=100_000) as http:
        with pytest.raises(SourceUnavailable, match="more than 100000 bytes"):
            await http.get(server.url)
        assert await http.get(server.url) == 1


async def test_a_compressed_body_is_bounded_by_what_it_unpacks_to() -> None:
    bomb = gzip.compress(b" " * 2_000_000)
    server = AnsweringServer([sends(bomb, headers=b"content-encoding: gzip\r\n")])
    async with reaching(server, largest_body_bytes=100_000) as http:
        with pytest.raises(SourceUnavailable, match="more than 100000 bytes"):
            await http.get(server.url)


async def test_a_server_that_vanishes_amid_the_body_is_unavailable() -> None:
    async def vanishes(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n[1,")
        raise trio.BrokenResourceError

    server = AnsweringServer([vanishes])
    async with reaching(server) as http:
        with pytest.raises(SourceUnavailable):
            await http.get(server.url)


async def test_an_answer_that_is_no_http_is_unavailable() -> None:
    async def nonsense(stream: trio.SocketStream) -> None:
        await stream.send_all(b"\x00\x01\x02 hello\r\n\r\n")

    server = AnsweringServer([nonsense])
    async with reaching(server) as http:
        with pytest.raises(SourceUnavailable):
            await http.get(server.url)


async def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    async with reaching(AnsweringServer([answers(1)])) as http:
        with pytest.raises(SourceUnavailable):
            await http.get(f"http://127.0.0.1:{port}")
