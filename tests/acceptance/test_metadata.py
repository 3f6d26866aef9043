"""A birth gets its profile and its picture, in the process as it runs in production."""

from pathlib import Path

import httpx
import orjson
import trio

from tests.acceptance.service import Service, running_service, settings, until_rows
from tests.acceptance.world import running_peer
from tests.integration.sources.strangers import Strangers, answers_with
from tests.patience import PATIENCE_SECONDS
from tests.pictures import draw_picture, make_bomb, read_picture
from tests.unit.actors.world import mint


def created(number: int, uri: str) -> dict[str, object]:
    """A birth as PumpPortal tells it."""
    return {
        "signature": f"s{number}",
        "mint": mint(number),
        "txType": "create",
        "name": "Coin",
        "symbol": "COIN",
        "uri": uri,
        "pool": "pump",
        "vTokensInBondingCurve": 1e9,
        "vSolInBondingCurve": 32.0,
        "marketCapSol": 32.0,
    }


async def until_found(service: Service, path: str) -> httpx.Response:
    with trio.fail_after(PATIENCE_SECONDS):
        while (answer := await service.get(path)).status_code != 200:
            await trio.sleep(0.05)
    return answer


async def test_a_birth_gets_its_profile_and_picture_and_keeps_them(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    strangers = Strangers()
    async with strangers.running(), running_peer() as peer:
        origin = f"http://127.0.0.1:{strangers.plain_port}"
        for number, picture in ((1, draw_picture()), (2, make_bomb())):
            said = {"description": "A coin.\nOf mine.", "image": f"{origin}/{number}.png"}
            said["twitter"] = "@coin"
            strangers.answers[f"/{number}.json"] = answers_with(orjson.dumps(said))
            strangers.answers[f"/{number}.png"] = answers_with(picture)
        environment = settings(
            postgres_url,
            redis_url,
            INGEST__URL=peer.url,
            METADATA__ENABLED="true",
            METADATA__INTERVAL_SECONDS="1",
            METADATA__TRUSTED_ORIGINS=origin,
            IMAGES__DIRECTORY=str(tmp_path / "images"),
        )
        async with running_service(tmp_path, environment) as service:
            peer.say(created(2, f"{origin}/2.json"), created(1, f"{origin}/1.json"))
            image = await until_found(service, f"/img/{mint(1)}")
            assert "image/webp" == image.headers["content-type"]
            assert (96, 64) == read_picture(image.content).size
            item = (await service.get(f"/api/tokens/{mint(1)}")).json()
            assert ("A coin.\nOf mine.", "https://x.com/coin") == (
                item["description"],
                item["twitter"],
            )
            assert f"{origin}/1.png" == item["imageUrl"] == item["logoURI"]
            rows = 'SELECT description, "imageUrl" FROM "TokenDiscovery" WHERE mint = \''
            await until_rows(
                postgres_url, f"{rows}{mint(1)}'", [("A coin.\nOf mine.", f"{origin}/1.png")]
            )
            assert 404 == (await service.get(f"/img/{mint(2)}")).status_code
            metrics = (await service.get("/metrics")).text
            told = 'token_discovery_metadata_images_total{outcome="too_many_pixels"} 1.0'
            assert told in metrics
            assert 0 == await service.stop()
        asked = len(strangers.requests)
        assert [1, 1] == [
            [path for _, path in strangers.requests].count(f"/{n}.png") for n in (1, 2)
        ]
        async with running_service(tmp_path, environment) as service:
            again = await until_found(service, f"/img/{mint(1)}")
            assert image.content == again.content
            assert image.headers["etag"] == again.headers["etag"]
            await trio.sleep(2.5)  # two runs
            assert 0 == await service.stop()
        assert {"/2.png"} >= {path for _, path in strangers.requests[asked:]}
