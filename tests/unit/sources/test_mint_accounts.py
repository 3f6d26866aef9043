"""What a mint's account says, under both token programs."""

from base64 import b64encode

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SourceUnavailable
from sources.holders import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from sources.http import JsonHttp
from sources.mint_accounts import MintAccounts, parse_mint_accounts
from sources.rates import RateLimiter
from sources.rpc import JsonRpc
from tests.unit.actors.world import mint
from tests.unit.sources.recordings import load

SOMEBODY = (1).to_bytes(4, "little") + bytes(range(32))
NOBODY = bytes(36)


def pack_mint(
    supply: int = 10**15, decimals: int = 6, authority: bytes = NOBODY, freeze: bytes = NOBODY
) -> bytes:
    return authority + supply.to_bytes(8, "little") + bytes([decimals, 1]) + freeze


def account(data: bytes, owner: str = TOKEN_PROGRAM) -> dict[str, object]:
    return {"owner": owner, "data": [b64encode(data).decode(), "base64"], "lamports": 1}


def read_values(entry: object) -> object:
    """The values of one account, or the reason for none."""
    found, refused = parse_mint_accounts({"value": [entry]}, [mint(1)])
    if found:
        return dict(found[mint(1)].values)
    return next(iter(refused), None)


def test_recorded_mint_read_as_its_parsed_form_says() -> None:
    """The recording has the parsed form; the same facts in the layout of 82 bytes."""
    value = load("solana-rpc/get_account_info_mint_bonk_2026-07-04.json")["body"]["result"]["value"]
    info = value["data"]["parsed"]["info"]
    assert 82 == value["space"] == len(pack_mint())
    data = pack_mint(supply=int(info["supply"]), decimals=info["decimals"])
    assert read_values(account(data, value["owner"])) == {
        "mint_renounced": info["mintAuthority"] is None,
        "freeze_revoked": info["freezeAuthority"] is None,
        "decimals": 5,
        "total_supply": "87994713435828",
    }


@pytest.mark.parametrize("owner", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM])
def test_authorities_are_told_apart(owner: str) -> None:
    for authority, freeze in ((SOMEBODY, NOBODY), (NOBODY, SOMEBODY), (SOMEBODY, SOMEBODY)):
        values = read_values(account(pack_mint(authority=authority, freeze=freeze), owner))
        assert values == {
            "mint_renounced": authority == NOBODY,
            "freeze_revoked": freeze == NOBODY,
            "decimals": 6,
            "total_supply": "1000000000",
        }


def test_a_mint_with_extensions_is_one_and_an_account_is_none() -> None:
    extended = pack_mint() + bytes(83)
    assert isinstance(read_values(account(extended + b"\x01", TOKEN_2022_PROGRAM)), dict)
    assert "not_a_mint" == read_values(account(extended + b"\x02", TOKEN_2022_PROGRAM))
    assert "not_a_mint" == read_values(account(extended))  # a token account of the first program


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (account(pack_mint(), "11111111111111111111111111111111"), "other_program"),
        (account(pack_mint()[:81]), "not_a_mint"),
        (account(pack_mint()[:45] + b"\x00" + NOBODY), "not_initialised"),
        (account(b"\x07" + pack_mint()[1:]), "not_a_mint"),
        ({"owner": TOKEN_PROGRAM, "data": ["?", "base64"]}, "not_base64"),
        ({"owner": TOKEN_PROGRAM, "data": ["\xe9===", "base64"]}, "not_base64"),
        ({"owner": TOKEN_PROGRAM, "data": {"parsed": {}}}, "not_a_mint"),
        ("nonsense", "other_program"),
        (None, None),
    ],
)
def test_what_is_no_mint_is_refused_by_reason(entry: object, reason: str | None) -> None:
    assert reason == read_values(entry)


def test_a_supply_that_no_coin_has_is_left_out() -> None:
    for supply, decimals in ((2**64 - 1, 0), (0, 6), (10, 6)):
        values = read_values(account(pack_mint(supply=supply, decimals=decimals)))
        assert isinstance(values, dict)
        assert "total_supply" not in values


def test_an_answer_to_another_question_is_refused() -> None:
    results: list[object] = [{"value": []}, {"value": None}, [], None, {"value": [None, None]}]
    for result in results:
        with pytest.raises(SourceUnavailable):
            parse_mint_accounts(result, [mint(1)])


@given(st.binary(max_size=400), st.sampled_from([TOKEN_PROGRAM, TOKEN_2022_PROGRAM]))
def test_any_bytes_are_read_or_refused(data: bytes, owner: str) -> None:
    values = read_values(account(data, owner))
    assert isinstance(values, dict | str)


async def test_a_hundred_mints_are_one_call() -> None:
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        call = orjson.loads(request.content)
        calls.append(call)
        value = [account(pack_mint()) for _ in call["params"][0]]
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {"value": value}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        http = JsonHttp(client=client, timeout_seconds=5, limiter=RateLimiter(per_minute=600))
        accounts = MintAccounts(rpc=JsonRpc(url="http://rpc.example", http=http))
        mints = [mint(number) for number in range(accounts.mints_per_request)]
        assert set(mints) == (await accounts.fetch_facts(mints)).keys()
        assert {} == await accounts.fetch_facts([])
    [call] = calls
    assert ("getMultipleAccounts", 100) == (call["method"], len(call["params"][0]))
    assert "base64" == call["params"][1]["encoding"]
