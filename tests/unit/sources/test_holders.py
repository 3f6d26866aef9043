"""Holder counts: Jupiter's recorded answers, and accounts counted over JSON-RPC."""

from base64 import b64encode

import httpx
import pytest

from domain.errors import RateLimited, SourceInTrouble, SourceRefused, SourceUnavailable
from domain.values import Mint
from sources import HolderStats
from sources.holders import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    JupiterHolders,
    RpcHolders,
    parse_owners,
)
from sources.rpc import JsonRpc
from tests.unit.sources.answers import Upstream, ok, rpc_error, rpc_result
from tests.unit.sources.recordings import load

CORGI = Mint("7ehsmTN3JRgZ54A4T6WN2PSKgM2FhxJ4bbgGV8Y1pump")
OTHER = Mint("97QUsKyZ1tDbBkWzowCixaZHPfMHz3ME8LQzwa9Upump")


def token_account(owner: int, amount: int) -> dict[str, object]:
    """One account as getProgramAccounts tells it, sliced to owner and amount."""
    data = bytes([owner]) * 32 + amount.to_bytes(8, "little")
    return {"pubkey": "x", "account": {"data": [b64encode(data).decode(), "base64"]}}


def over(upstream: Upstream) -> RpcHolders:
    return RpcHolders(rpc=JsonRpc(url="https://rpc.example/?key=1", http=upstream.json_http()))


# Jupiter.


async def test_one_request_asks_for_a_hundred() -> None:
    upstream = Upstream([ok(load("jupiter/tokens_v2_search_bonding_curve_pumpfun_token.json"))])
    provider = JupiterHolders(url="https://lite-api.jup.ag/", http=upstream.json_http())
    assert set(await provider.fetch_holders([CORGI, OTHER])) == {CORGI}
    address = f"https://lite-api.jup.ag/tokens/v2/search?query={CORGI},{OTHER}"
    assert [str(request.url) for request in upstream.requests] == [address]
    assert provider.mints_per_request == 100


async def test_the_recorded_429_is_rate_limited() -> None:
    body = (load("jupiter/error_429_keyless_rate_limited.json"),)
    upstream = Upstream([httpx.Response(429, json=body)])
    provider = JupiterHolders(url="https://lite-api.jup.ag", http=upstream.json_http())
    with pytest.raises(RateLimited):
        await provider.fetch_holders([CORGI])


async def test_no_mints_take_no_request() -> None:
    upstream = Upstream([ok([])])
    assert await JupiterHolders(url="https://x", http=upstream.json_http()).fetch_holders([]) == {}
    assert await over(upstream).fetch_holders([]) == {}
    assert upstream.requests == []


# JSON-RPC.


async def test_owners_are_counted_over_both_token_programs_defect_9() -> None:
    upstream = Upstream(
        [
            rpc_result([token_account(1, 5), token_account(2, 1)]),
            rpc_result([token_account(2, 7), token_account(3, 2**63)]),
        ]
    )
    counts = await over(upstream).fetch_holders([CORGI])
    assert counts == {CORGI: HolderStats(mint=CORGI, holder_count=3)}
    assert [upstream.payload(n)["params"][0] for n in (0, 1)] == [
        TOKEN_PROGRAM,
        TOKEN_2022_PROGRAM,
    ]


async def test_only_the_first_program_is_asked_by_size_defect_9() -> None:
    upstream = Upstream([rpc_result([])])
    assert await over(upstream).fetch_holders([CORGI]) == {
        CORGI: HolderStats(mint=CORGI, holder_count=0)
    }
    mint = {"memcmp": {"offset": 0, "bytes": CORGI}}
    first, second = (upstream.payload(n)["params"][1] for n in (0, 1))
    assert first["filters"] == [mint, {"dataSize": 165}]
    assert second["filters"] == [mint]
    assert first["dataSlice"] == second["dataSlice"] == {"offset": 32, "length": 40}


def test_an_owner_of_several_accounts_counts_once_and_empty_accounts_not_at_all() -> None:
    accounts = [token_account(1, 5), token_account(1, 9), token_account(2, 0)]
    assert parse_owners(accounts) == {bytes([1]) * 32}
    assert parse_owners({"context": {"slot": 1}, "value": accounts}) == {bytes([1]) * 32}


@pytest.mark.parametrize(
    "result",
    [
        None,
        5,
        {"value": None},
        [None],
        [{"account": {"data": ["AAAA", "base64"]}}],
        [{"account": {"data": ["ü", "base64"]}}],
        [{"account": {"data": []}}],
        [{"account": {"data": {"parsed": {}}}}],
    ],
)
def test_accounts_of_another_shape_are_unavailable_not_miscounted(result: object) -> None:
    with pytest.raises(SourceUnavailable):
        parse_owners(result)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32012, "Scan aborted: The accumulated scan results exceeded the limit"),
        (-32010, "excluded from account secondary indexes; this RPC method unavailable for key"),
        (-32600, "Too many accounts requested (1004532 pubkeys)"),
        (-32602, "Invalid param: WrongSize"),
        (-32603, "Internal error"),
    ],
)
async def test_a_refusal_may_be_the_fault_of_one_token(code: int, message: str) -> None:
    with pytest.raises(SourceRefused) as error:
        await over(Upstream([rpc_error(code, message)])).fetch_holders([CORGI])
    assert not isinstance(error.value, SourceInTrouble)
    assert error.value.reason == f"rpc_{code}"


async def test_a_node_that_lags_behind_can_serve_nobody() -> None:
    unhealthy = rpc_error(-32005, "Node is behind by 42 slots")
    with pytest.raises(SourceInTrouble, match="Node is behind by 42 slots"):
        await over(Upstream([unhealthy])).fetch_holders([CORGI])


@pytest.mark.parametrize(
    "answer",
    [
        rpc_error(-32603, "Internal error"),
        rpc_error(-32600, "Invalid request"),
        rpc_error(-32601, "Method not found"),
        rpc_error({"odd": 1}, "x"),
        ok({"jsonrpc": "2.0", "id": 1}),
        ok([]),
        ok({"error": "plain text"}),
        ok({"jsonrpc": "2.0", "id": 2, "result": []}),
        ok({"jsonrpc": "2.0", "id": "1", "result": []}),
        ok({"jsonrpc": "2.0", "id": True, "result": []}),
        ok({"jsonrpc": "2.0", "id": None, "result": []}),
        ok({"jsonrpc": "2.0", "result": []}),
    ],
)
async def test_error_bodies_with_http_200_are_unavailable(answer: httpx.Response) -> None:
    with pytest.raises(SourceUnavailable) as error:
        await over(Upstream([answer])).fetch_holders([CORGI])
    assert not isinstance(error.value, RateLimited)


async def test_an_error_of_another_call_is_not_taken_for_ours() -> None:
    answer = ok({"id": 2, "error": {"code": -32600, "message": "Too many accounts requested"}})
    provider = over(Upstream([answer]))
    with pytest.raises(SourceUnavailable, match="the answer to another call, 2"):
        await provider.fetch_holders([CORGI])


async def test_an_error_without_an_id_is_ours_which_the_server_could_not_read() -> None:
    rpc = over(Upstream([ok({"id": None, "error": {"code": -32700, "message": "x"}})])).rpc
    with pytest.raises(SourceRefused) as error:
        await rpc.call_method("getSlot", [])
    assert error.value.code == -32700


async def test_an_error_body_keeps_its_code() -> None:
    rpc = over(Upstream([rpc_error(-32603, "Internal error")])).rpc
    with pytest.raises(SourceRefused, match="getSlot: -32603 Internal error") as error:
        await rpc.call_method("getSlot", [])
    assert error.value.code == -32603


@pytest.mark.parametrize(
    "answer", [rpc_error(429, "slow down"), httpx.Response(429, headers={"retry-after": "10"})]
)
async def test_too_many_requests_are_rate_limited_wherever_it_is_said(
    answer: httpx.Response,
) -> None:
    with pytest.raises(RateLimited):
        await over(Upstream([answer])).fetch_holders([CORGI])
