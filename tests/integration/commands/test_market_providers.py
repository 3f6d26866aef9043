"""The market answers like the providers: Solana RPC, Jupiter, and the coins' own servers."""

from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from typing import Any

import base58
import httpx
import pytest
import trio

from commands.market.events import Created, Migrated
from commands.market.keys import address, transaction_signature
from commands.market.metadata import document_kind, image_kind
from commands.market.programs import PUMP_MIGRATION_ACCOUNT, PUMP_MINT_AUTHORITY
from domain.errors import SourceRefused
from domain.values import Mint, UnixSeconds
from sources.rpc import JsonRpc
from tests.integration.commands.market_world import (
    NOW,
    by_hand,
    publish,
)
from tests.unit.commands.chain_reader import (
    LAUNCHLAB,
    PUMP,
    PUMP_AMM,
    decode_event,
    printed_events,
)


async def test_what_a_gap_has_hidden_can_be_asked_for() -> None:
    async with by_hand() as world:
        rpc = JsonRpc(url=world.url, http=world.http)
        events = await publish(world, 900.0)
        world.server.node.indexing_seconds = -3600.0
        for kind, authority in ((Created, PUMP_MINT_AUTHORITY), (Migrated, PUMP_MIGRATION_ACCOUNT)):
            happened = [e for e in events if isinstance(e, kind) and e.token.venue == "pump"]
            listed: Any = await rpc.call_method("getSignaturesForAddress", [authority, {}])
            expected = [transaction_signature(event.transaction) for event in happened]
            assert expected == [entry["signature"] for entry in reversed(listed)]
        newest = happened[-1]
        told: Any = await rpc.call_method("getTransaction", [listed[0]["signature"], {}])
        printed = dict(printed_events(told["meta"]["logMessages"]))
        name, fields = decode_event(PUMP, printed[PUMP])
        assert "CompletePumpAmmMigrationEvent" == name
        assert (newest.token.mint, address("pool", newest.token.mint)) == (
            fields["mint"], fields["pool"],
        )  # fmt: skip


async def test_launchlab_mints_and_pools_are_told_by_accounts() -> None:
    async with by_hand() as world:
        rpc = JsonRpc(url=world.url, http=world.http)
        world.server.node.indexing_seconds = -3600.0
        events = await publish(world, 600.0)
        born = next(e for e in events if isinstance(e, Created) and e.token.venue == "bonk")
        token = born.token
        wanted = [token.mint, address("curve", token.mint), "unknown"]
        answer: Any = await rpc.call_method("getMultipleAccounts", [wanted, {"encoding": "base64"}])
        mint, curve, unknown = answer["value"]
        assert unknown is None
        content = b64decode(curve["data"][0])
        assert LAUNCHLAB == curve["owner"]
        mints = [base58.b58encode(content[at : at + 32]).decode() for at in (205, 237)]
        assert [token.mint, token.pair.mint] == mints
        assert 82 == len(b64decode(mint["data"][0]))
        signature = transaction_signature(born.transaction)
        told: Any = await rpc.call_method("getTransaction", [signature, {}])
        instruction = told["transaction"]["message"]["instructions"][0]
        assert (LAUNCHLAB, token.mint) == (instruction["programId"], instruction["accounts"][6])


async def test_pumpswap_pools_are_told_by_accounts() -> None:
    async with by_hand() as world:
        rpc = JsonRpc(url=world.url, http=world.http)
        events = await publish(world, 900.0)
        token = next(e.token for e in events if isinstance(e, Migrated) and e.token.venue == "pump")
        answer: Any = await rpc.call_method("getAccountInfo", [address("pool", token.mint), {}])
        content = b64decode(answer["value"]["data"][0])
        assert PUMP_AMM == answer["value"]["owner"]
        mints = [base58.b58encode(content[at : at + 32]).decode() for at in (43, 75)]
        assert [token.mint, token.pair.mint] == mints


async def test_mints_are_parsed_on_request() -> None:
    async with by_hand() as world:
        await publish(world, 900.0)
        rpc = JsonRpc(url=world.url, http=world.http)
        mints = [*world.server.market.tokens][:100]
        answer: Any = await rpc.call_method(
            "getMultipleAccounts", [mints, {"encoding": "jsonParsed"}]
        )
        for mint, value in zip(mints, answer["value"], strict=True):
            token, info = world.server.market.tokens[Mint(mint)], value["data"]["parsed"]["info"]
            assert str(round(token.supply * 1e6)) == info["supply"]
            assert token.has_free_authorities == (info["mintAuthority"] is not None)
        with pytest.raises(SourceRefused):
            await rpc.call_method("getMultipleAccounts", [[*mints, "one more"], {}])


# Jupiter's key and limit.


async def test_jupiter_allows_thirty_a_minute_without_a_key_and_sixty_with_one() -> None:
    async with by_hand() as world, httpx.AsyncClient(base_url=world.url) as client:
        for headers, limit in (({}, 30), ({"x-api-key": "demo"}, 60)):
            for number in range(limit):
                path = "/price/v3?ids=x" if number % 2 else "/tokens/v2/search?query=x"
                assert 200 == (await client.get(path, headers=headers)).status_code
            refused = await client.get("/price/v3?ids=x", headers=headers)
            assert 429 == refused.status_code
            assert {"code": 429, "message": "[API Gateway] Too many requests"} == refused.json()
            assert "60" == refused.headers["retry-after"]
        wrong = await client.get("/price/v3?ids=x", headers={"x-api-key": "guessed"})
        assert 401 == wrong.status_code


async def test_jupiter_tells_safety_windows_and_launchpad() -> None:
    async with by_hand() as world, httpx.AsyncClient(base_url=world.url) as client:
        await publish(world, 900.0)
        world.server.clock.started_at = UnixSeconds(NOW - 900.0)
        tokens = [t for t in world.server.market.tokens.values() if t.owners and t.venue == "pump"]
        mints = ",".join(token.mint for token in tokens[:50])
        items = (await client.get(f"/tokens/v2/search?query={mints}")).json()
        assert 50 == len(items)
        for token, item in zip(tokens, items, strict=False):
            assert ("pump.fun", token.image_url) == (item["launchpad"], item["icon"])
            audit = item["audit"]
            assert audit["mintAuthorityDisabled"] is True
            assert 0 <= audit["devBalancePercentage"] <= audit["topHoldersPercentage"] <= 100
            assert audit["devMints"] >= 1
            if token.pair.is_dollar:
                worth = token.pair.amount(token.reserves.price_sol)
                assert item["usdPrice"] == pytest.approx(worth)
        assert any("stats5m" in item and "holderChange" in item["stats5m"] for item in items)


# Metadata and pictures.


async def test_a_coins_uri_is_served_by_the_market_itself() -> None:
    async with by_hand() as world, httpx.AsyncClient() as client:
        await publish(world, 60.0)
        kinds = Counter[int]()
        for token in list(world.server.market.tokens.values()):
            assert token.uri.startswith(f"{world.url}/metadata/")
            answer = await client.get(token.uri)
            kinds[answer.status_code] += 1
            if answer.status_code == 200 and document_kind(token.mint) == "good":
                assert token.name == answer.json()["name"]
                async with client.stream("GET", answer.json()["image"]) as picture:
                    assert picture.status_code in (200, 302, 404)
        assert kinds[200] > 10


async def test_an_endless_picture_ends_with_the_clients_patience() -> None:
    async with by_hand() as world:
        await publish(world, 60.0)
        token = next(iter(world.server.market.tokens.values()))
        mint = next(m for m in candidates(token.mint) if image_kind(m) == "endless")
        world.server.market.tokens[Mint(mint)] = token
        token.mint = Mint(mint)
        stream = await trio.open_tcp_stream("127.0.0.1", world.server.port)
        async with stream:
            await stream.send_all(f"GET /images/{mint} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            received = 0
            while received <= 3_000_000:
                received += len(await stream.receive_some(65_536))


def candidates(mint: str) -> Iterator[str]:
    for number in range(100_000):
        yield f"{mint[:-5]}{number:05d}"
