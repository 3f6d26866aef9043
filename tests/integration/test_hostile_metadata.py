"""The metadata job among strangers: a hostile server harms nothing, and good coins get theirs.

Everything is real but the names and the routes: the guarded client, TLS, the process that
decodes, the directory of images.
"""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define

from actors.jobs.metadata import MetadataJob, MetadataSources
from domain.token import Token
from images.cache import DiskCache
from images.thumbnails import PillowWorker
from sources.metadata_fetching import MetadataWeb
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
from tests.pictures import HTML, SVG, draw_animation, draw_picture, make_bomb, read_picture
from tests.unit.actors.jobs.job_world import JobWorld
from tests.unit.actors.world import clock, mint, token

HOST = "https://hostile.example"
GATEWAYS = ("https://first.example/ipfs/", "https://second.example/ipfs/")
CONTENT = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"
TIMEOUT_SECONDS = 1.0
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def document(**values: Any) -> Answer:
    return answers_with(orjson.dumps(values))


# What a coin's uri leads to, and how its fetch is counted.
DOCUMENTS: dict[str, tuple[Answer, str]] = {
    "/to-loopback": (redirects_to("https://127.0.0.1/"), "private_address"),
    "/to-cloud": (redirects_to("https://169.254.169.254/latest/meta-data/"), "private_address"),
    "/to-cloud-6": (redirects_to("https://[fd00:ec2::254]/latest/"), "private_address"),
    "/to-http": (redirects_to("http://coins.example/good"), "scheme"),
    "/to-port": (redirects_to("https://coins.example:8080/good"), "port"),
    "/to-user": (redirects_to("https://a:b@coins.example/good"), "credentials"),
    "/to-itself": (redirects_to("/to-itself"), "redirects"),
    "/to-file": (redirects_to("file:///etc/passwd"), "address"),
    "/endless": (sends_for_ever(HEAD, b"x" * 4096), "too_large"),
    "/trickle": (sends_for_ever(HEAD, b" ", pause_seconds=0.02), "timeout"),
    "/silent": (says_nothing, "timeout"),
    "/ten-megabytes": (answers_with(b'{"description": "' + b"x" * 10**7 + b'"}'), "too_large"),
    "/gzip-bomb": (
        answers_with(gzip.compress(bytes(10**8)), headers=["content-encoding: gzip"]),
        "too_large",
    ),
    "/html": (answers_with(HTML), "not_json"),
    "/deep": (answers_with(b"[" * 60_000), "not_json"),
    "/list": (answers_with(b"[1]"), "not_an_object"),
    "/cut-off": (answers_with(b'{"descr', length=500), "broken_answer"),
    "/gone": (answers_with(b"", status="410 Gone"), "http_410"),
}
# What an image's link leads to.
IMAGES: dict[str, tuple[Answer, str]] = {
    "/bomb": (answers_with(make_bomb()), "too_many_pixels"),
    "/svg": (answers_with(SVG, headers=["content-type: image/png"]), "svg"),
    "/html-image": (answers_with(HTML, headers=["content-type: image/png"]), "markup"),
    "/truncated": (answers_with(draw_picture()[:300]), "damaged"),
    "/endless-image": (sends_for_ever(HEAD, b"\x89PNG" * 4096), "too_large"),
    "/image-to-loopback": (redirects_to("https://127.0.0.1/"), "private_address"),
    "/empty": (answers_with(b""), "not_an_image"),
}
POLYGLOT = draw_picture("GIF", mode="P") + b"<script>alert(1)</script>"


@define
class World(JobWorld):
    """Of the job, with a real directory."""

    name = "metadata"


def new_coin(number: int, uri: str, **fields: Any) -> Token:
    return token(number, metadata_uri=uri, first_seen_at=clock(), **fields)


def list_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def new_job(world: World, strangers: Strangers, directory: Path) -> MetadataJob:
    web = MetadataWeb(http=strangers.client(timeout_seconds=TIMEOUT_SECONDS), gateways=GATEWAYS)
    sources = MetadataSources(
        web=web,
        mints=None,
        maker=PillowWorker(),
        cache=DiskCache(directory, 2**20, lambda: 1000.0),
    )
    return MetadataJob.build(world.context(), sources)


async def test_a_hostile_server_harms_nothing_and_is_counted(tmp_path: Path) -> None:
    strangers = Strangers(names={"localhost": [["127.0.0.1"]]})
    strangers.answers |= {path: answer for path, (answer, _) in (DOCUMENTS | IMAGES).items()}
    strangers.answers |= {
        "/good": document(
            description="A coin.",
            image="https://images.example/good.png",
            website="https://a.example",
        ),
        "/good.png": answers_with(draw_picture()),
        "/polyglot": document(image=f"{HOST}/polyglot.gif"),
        "/polyglot.gif": answers_with(POLYGLOT),
        **{f"{path}.json": document(image=HOST + path) for path in IMAGES},
    }
    uris = [HOST + path for path in DOCUMENTS] + [f"{HOST}{path}.json" for path in IMAGES]
    uris += [f"{HOST}/polyglot", "https://coins.example/good"]
    coins = [
        new_coin(number, uri, watcher_count=100 - number)  # the good one comes last
        for number, uri in enumerate(uris, start=1)
    ]
    world = World()
    async with strangers.running():
        job = new_job(world, strangers, tmp_path)
        for each in coins:
            await job.learn_token(each)
        with trio.fail_after(10 * PATIENCE_SECONDS):
            await job.fetch_metadata()
        told = job.snapshot()

        assert told.documents == count([reason for _, reason in DOCUMENTS.values()]) | {
            "fetched": len(IMAGES) + 2
        }
        assert told.images == count([reason for _, reason in IMAGES.values()]) | {"kept": 2}
        # Nobody was connected to but who is public, and on the default port.
        assert {(PUBLIC, 443)} == set(strangers.connected)
        good, polyglot = len(coins), len(coins) - 1
        [values] = world.values(good)
        assert ("A coin.", "https://a.example") == (values["description"], values["website"])
        assert "https://images.example/good.png" == values["image_url"] == values["logo_uri"]
        assert job.sources is not None
        for number in (good, polyglot):
            kept = await job.sources.cache.read_image(mint(number))
            assert kept is not None
            assert (96, 64) == read_picture(kept.body).size
            assert b"script" not in kept.body
        assert 2 == len(list_files(tmp_path))
        # No value of any coin came from a body that was refused.
        assert {update.mint for _, update in world.updates} == {
            each.mint for each in coins[len(DOCUMENTS) :]
        }


def count(reasons: list[str]) -> dict[str, int]:
    return {reason: reasons.count(reason) for reason in reasons}


async def test_a_name_that_turns_private_between_document_and_image(tmp_path: Path) -> None:
    strangers = Strangers(
        names={"hostile.example": [[PUBLIC], ["10.0.0.1"], ["169.254.169.254"]]},
        answers={"/a": document(image=f"{HOST}/a.png"), "/a.png": answers_with(draw_picture())},
    )
    world = World()
    async with strangers.running():
        job = new_job(world, strangers, tmp_path)
        await job.learn_token(new_coin(1, f"{HOST}/a"))
        await job.fetch_metadata()
        assert {"private_address": 1} == job.snapshot().images
    assert [(PUBLIC, 443)] == strangers.connected
    assert [("hostile.example", "/a")] == strangers.requests


@pytest.mark.parametrize(
    "uri",
    [f"ipfs://{CONTENT}", f"https://ipfs.io/ipfs/{CONTENT}", f"https://{GATEWAYS[1][8:]}{CONTENT}"],
)
async def test_content_of_ipfs_comes_from_the_first_gateway_that_has_it(
    uri: str, tmp_path: Path
) -> None:
    strangers = Strangers(names={"first.example": [["1.1.1.1"]]})  # nobody is there
    strangers.answers |= {
        f"/ipfs/{CONTENT}": document(description="d", image=f"ipfs://{CONTENT}/a.gif"),
        f"/ipfs/{CONTENT}/a.gif": answers_with(draw_animation()),
    }
    world = World()
    async with strangers.running():
        job = new_job(world, strangers, tmp_path)
        await job.learn_token(new_coin(1, uri))
        await job.fetch_metadata()
        [(_, update)] = world.updates
        assert "metadata ipfs" == update.origin
        assert f"{GATEWAYS[0]}{CONTENT}/a.gif" == update.values["image_url"]
        assert {"kept": 1} == job.snapshot().images
    asked = {host for host, _ in strangers.requests}
    assert {"second.example"} == asked
    # The gateway that failed is asked last for a while: the image went to the other at once.
    assert 1 == [address for address, _ in strangers.connected].count("1.1.1.1")


async def test_a_gateway_that_answers_with_a_page_or_not_at_all_has_company_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.metadata_fetching.HEAD_START_SECONDS", 0.1)
    good = document(description="d")

    async def hang_or_answer(stream: trio.abc.Stream) -> None:
        host, _ = strangers.requests[-1]
        await (says_nothing if host == "first.example" else good)(stream)

    async def page_or_answer(stream: trio.abc.Stream) -> None:
        host, _ = strangers.requests[-1]
        await (answers_with(HTML) if host == "first.example" else good)(stream)

    for answer in (hang_or_answer, page_or_answer):
        strangers = Strangers(answers={f"/ipfs/{CONTENT}": answer})
        world = World()
        async with strangers.running():
            job = new_job(world, strangers, tmp_path)
            await job.learn_token(new_coin(1, f"ipfs://{CONTENT}"))
            await job.fetch_metadata()
        assert [{"description": "d"}] == world.values(1)


async def test_arweave_is_one_address(tmp_path: Path) -> None:
    strangers = Strangers(
        names={"arweave.net": [[PUBLIC]]}, answers={"/abc": document(description="d")}
    )
    world = World()
    async with strangers.running():
        job = new_job(world, strangers, tmp_path)
        await job.learn_token(new_coin(1, "ar://abc"))
        await job.fetch_metadata()
    [(_, update)] = world.updates
    assert "metadata arweave" == update.origin
