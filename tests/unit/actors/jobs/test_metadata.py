"""The metadata job: what is fetched of whom and when, and what is sent once."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import pytest
import trio
from attrs import Factory, define, field
from trio.testing import MockClock

from actors.jobs.metadata import MetadataJob, MetadataSources
from actors.jobs.pursuit import REST_SECONDS
from domain.errors import FetchRefused, SourceInTrouble
from domain.token import Token
from domain.values import Mint, Value
from images.memory import MemoryCache, ScriptedMaker
from sources.metadata import CoinDocument, FetchedDocument, MintFacts
from sources.refusals import LastingRefusal
from sources.scripted import CallScript
from tests.unit.actors.jobs.job_world import JobWorld
from tests.unit.actors.world import SETTINGS, mint, running, token, until

INTERVAL = SETTINGS.metadata.interval_seconds
FIRST_RUN = 10.0
IMAGE = "https://images.example/a.png"


def refusal(reason: str = "timeout", *, is_final: bool = False) -> FetchRefused:
    return FetchRefused(reason=reason, is_final=is_final)


@define
class ScriptedWeb:
    """A `MetadataProvider` that knows links, and fails or hangs on others."""

    documents: dict[str, FetchedDocument | FetchRefused] = Factory(dict)
    images: dict[str, bytes | FetchRefused] = Factory(dict)
    seconds: dict[str, float] = Factory(dict)  # a fetch takes; by link
    asked: list[tuple[float, str]] = Factory(list)

    def name_host(self, link: str) -> str:
        return link.partition("://")[2].partition("/")[0]

    async def fetch_document(self, link: str) -> FetchedDocument:
        await self._note(link)
        found = self.documents.get(link, refusal("http_404"))
        if isinstance(found, FetchRefused):
            raise found
        return found

    async def fetch_image(self, link: str) -> bytes:
        await self._note(link)
        found = self.images.get(link, refusal("http_404"))
        if isinstance(found, FetchRefused):
            raise found
        return found

    async def _note(self, link: str) -> None:
        self.asked.append((trio.current_time(), link))
        await trio.sleep(self.seconds.get(link, 0.0))

    def times(self, link: str) -> list[float]:
        return [at for at, asked in self.asked if asked == link]


@define(kw_only=True)
class ScriptedMints:
    """A `MintProvider` that knows `known`."""

    known: dict[Mint, MintFacts] = Factory(dict)
    script: CallScript = Factory(CallScript)
    refusal: LastingRefusal = Factory(lambda: LastingRefusal(url_setting="ingest.chain_rpc_url"))
    name: str = "rpc mints"
    mints_per_request: int = 100
    unusable: Any = Factory(dict)

    async def fetch_facts(self, mints: Sequence[Mint]) -> Mapping[Mint, MintFacts]:
        await self.script.play_call(mints)
        return {each: self.known[each] for each in mints if each in self.known}


@define
class MetadataWorld(JobWorld):
    name: ClassVar[str] = "metadata"

    web: ScriptedWeb | None = Factory(ScriptedWeb)
    mints: ScriptedMints | None = None
    maker: ScriptedMaker = Factory(ScriptedMaker)
    cache: MemoryCache = Factory(MemoryCache)
    jobs: list[MetadataJob] = field(factory=list, init=False)

    def job(self) -> MetadataJob:
        sources = MetadataSources(
            web=self.web, mints=self.mints, maker=self.maker, cache=self.cache
        )
        self.jobs.append(MetadataJob.build(self.context(), sources))
        return self.jobs[-1]

    async def start_with(self, *tokens: Token) -> None:
        """Tell of the tokens a second before the first run, at 10."""
        await until(FIRST_RUN - 1)
        await self.publish(*tokens)

    def tell_document(
        self, number: int, image: str | None = None, kind: str = "ipfs", **values: str
    ) -> None:
        assert self.web is not None
        self.web.documents[link(number)] = FetchedDocument(
            document=CoinDocument(values=values, image_link=image), kind=kind, image_url=image
        )
        if image is not None:
            self.web.images.setdefault(image, f"image {number}".encode())

    @property
    def asked(self) -> list[str]:
        assert self.web is not None
        return [asked for _, asked in self.web.asked]


def link(number: int) -> str:
    return f"https://host{number}.example/{number}.json"


def coin(number: int = 1, **fields: Any) -> Token:
    """A token with a link and with all that the chain says of its mint."""
    known = {"mint_renounced": True, "freeze_revoked": True, "decimals": 6, "total_supply": "1"}
    return token(number, **{"metadata_uri": link(number), **known, **fields})


async def test_a_document_fills_the_profile_and_its_image_the_cache(
    autojump_clock: MockClock,
) -> None:
    world = MetadataWorld()
    world.tell_document(1, IMAGE, description="a coin", twitter="https://x.com/a")
    async with running(world.job()):
        await world.start_with(coin(1))
        await until(FIRST_RUN)
        [(at, update)] = world.updates
        assert (FIRST_RUN, "metadata ipfs", mint(1)) == (at, update.origin, update.mint)
        assert update.values == {
            "description": "a coin",
            "twitter": "https://x.com/a",
            "image_url": IMAGE,
            "logo_uri": IMAGE,
        }
        found = await world.cache.read_image(mint(1))
        assert found is not None
        assert b"small:image 1" == found.body
        assert [link(1), IMAGE] == world.asked


async def test_only_what_the_token_has_not_is_sent_and_it_is_sent_once(
    autojump_clock: MockClock,
) -> None:
    world = MetadataWorld()
    world.tell_document(1, IMAGE, kind="https", description="new", twitter="https://x.com/new")
    world.tell_document(2, description="new")
    had = coin(1, twitter="https://x.com/old", logo_uri="https://a.example/logo")
    async with running(world.job()):
        await world.start_with(had, coin(2, description="old"))
        await until(FIRST_RUN)
        assert [{"description": "new", "image_url": IMAGE}] == world.values(1)
        assert [] == world.values(2)
        await world.publish(attrs.evolve(had, description="new", image_url=IMAGE))
        await until(FIRST_RUN + 10 * INTERVAL)
        assert [link(1), IMAGE] == world.asked
        assert 1 == len(world.updates)


async def test_a_document_that_says_nothing_is_not_fetched_again(autojump_clock: MockClock) -> None:
    world = MetadataWorld()
    world.tell_document(1)
    async with running(world.job()):
        await world.start_with(coin(1))
        for interval in range(20):
            await until(FIRST_RUN + interval * INTERVAL)
            await world.publish(coin(1, market_cap_usd=float(interval)))
        assert [link(1)] == world.asked
        assert [] == world.updates


async def test_a_failure_is_tried_again_ever_later_and_then_left_for_hours(
    autojump_clock: MockClock,
) -> None:
    world = MetadataWorld()
    assert world.web is not None
    world.web.documents[link(1)] = refusal()
    world.web.documents[link(2)] = refusal("private_address", is_final=True)
    job = world.job()
    async with running(job):
        await world.start_with(coin(1), coin(2))
        await until(FIRST_RUN + REST_SECONDS - 60.0)
        assert [10.0, 70.0, 190.0] == world.web.times(link(1))  # 60 s, then 120 s later
        assert [10.0] == world.web.times(link(2))
        told = job.snapshot()
        assert {"timeout": 3, "private_address": 1} == told.documents
        assert 2 == told.given_up
        await until(FIRST_RUN + REST_SECONDS + 200.0)
        assert 4 == len(world.web.times(link(1)))
        assert 2 == len(world.web.times(link(2)))


async def test_a_host_that_hangs_holds_back_no_other(autojump_clock: MockClock) -> None:
    world = MetadataWorld()
    assert world.web is not None
    slow = [coin(n, metadata_uri=f"https://slow.example/{n}", hot_score=9e9) for n in range(1, 30)]
    for each in slow:
        world.web.seconds[each.metadata_uri or ""] = 10.0
    for number in range(30, 60):
        world.tell_document(number, description="d")
    async with running(world.job()):
        await world.start_with(*slow, *(coin(n) for n in range(30, 60)))
        await until(FIRST_RUN)
        assert 30 == len(world.updates)
        await until(FIRST_RUN + INTERVAL)  # the run leaves what it could not begin to the next
        assert len([each for each in world.asked if "slow" in each]) == 2 * 6 + 2


async def test_idle_asks_nobody_and_an_activation_asks_at_once(autojump_clock: MockClock) -> None:
    world = MetadataWorld(mints=ScriptedMints())
    world.tell_document(1, IMAGE, description="d")
    await world.go_idle()
    async with running(world.job()):
        await world.start_with(coin(1, decimals=None))
        await until(1000.0)
        assert [] == world.asked
        assert world.mints is not None
        assert [] == world.mints.script.calls
        await world.activate()
        await until(1000.0)
        assert [link(1), IMAGE] == world.asked
        assert 1 == len(world.mints.script.calls)


async def test_idleness_begins_nothing_more(autojump_clock: MockClock) -> None:
    world = MetadataWorld()
    assert world.web is not None
    for number in range(1, 41):
        world.tell_document(number, description="d")
        world.web.seconds[link(number)] = 5.0
    async with running(world.job()):
        await world.start_with(*(coin(n) for n in range(1, 41)))
        await until(FIRST_RUN + 1)
        await world.go_idle()
        await until(FIRST_RUN + 3 * INTERVAL)
        assert 8 == len(world.asked)
        assert 8 == len(world.updates)


async def test_the_most_interesting_come_first_and_so_many_a_run(autojump_clock: MockClock) -> None:
    world = MetadataWorld()
    chosen = attrs.evolve(SETTINGS.metadata, tokens=4, concurrency=1)
    world.settings = attrs.evolve(SETTINGS, metadata=chosen)
    for number in range(1, 10):
        world.tell_document(number, description="d")
    async with running(world.job()):
        await world.start_with(*(coin(n, watcher_count=n) for n in range(1, 10)))
        await until(FIRST_RUN)
        assert [link(9), link(8), link(7)] == world.asked[:3]
        assert 4 == len(world.asked)  # the fourth has waited longest


async def test_switched_off_it_asks_nobody(autojump_clock: MockClock) -> None:
    world = MetadataWorld(web=None, mints=ScriptedMints())
    job = world.job()
    async with running(job):
        await world.start_with(coin(1, decimals=None))
        await until(500.0)
    assert [] == world.updates
    assert world.mints is not None
    assert [] == world.mints.script.calls
    assert 0 == job.snapshot().wanted_documents


@pytest.mark.parametrize(
    ("image", "outcome"),
    [(refusal("too_large", is_final=True), "too_large"), (b"bomb", "too_many_pixels")],
)
async def test_an_image_that_cannot_be_shown_costs_nothing_but_itself(
    image: bytes | FetchRefused, outcome: str, autojump_clock: MockClock
) -> None:
    world = MetadataWorld(maker=ScriptedMaker(refused={b"bomb": "too_many_pixels"}))
    assert world.web is not None
    world.tell_document(1, IMAGE, description="d")
    world.tell_document(2, IMAGE + "2", description="d")
    world.web.images[IMAGE] = image
    job = world.job()
    shown = coin(1, description="d", image_url=IMAGE)
    async with running(job):
        await world.start_with(coin(1), coin(2))
        await until(FIRST_RUN)
        await world.publish(shown)
        await until(FIRST_RUN + REST_SECONDS / 2)
        assert 1 == len(world.web.times(IMAGE))
        assert {outcome: 1, "kept": 1} == job.snapshot().images
        assert world.cache.has_image(mint(2))
        assert "description" in world.values(1)[0]


async def test_the_image_of_a_token_that_has_its_profile_is_fetched_too(
    autojump_clock: MockClock,
) -> None:
    """After a restart with an empty directory, or where a provider told the image."""
    world = MetadataWorld()
    assert world.web is not None
    world.web.images[IMAGE] = b"image"
    async with running(world.job()):
        await world.start_with(
            coin(1, description="d", logo_uri=IMAGE), coin(2, description="d", metadata_uri=None)
        )
        await until(FIRST_RUN)
        assert world.cache.has_image(mint(1))
        await until(FIRST_RUN + 5 * INTERVAL)
        assert [IMAGE] == world.asked


async def test_a_directory_that_takes_nothing_is_told_once_and_tried_with_one_a_run(
    autojump_clock: MockClock,
) -> None:
    world = MetadataWorld(cache=MemoryCache(is_full=True))
    assert world.web is not None
    for number in range(1, 6):
        world.web.images[f"{IMAGE}{number}"] = b"image"
    coins = [coin(n, description="d", image_url=f"{IMAGE}{n}") for n in range(1, 6)]
    job = world.job()
    async with running(job):
        await world.start_with(*coins)
        await until(FIRST_RUN)
        first = len(world.asked)
        assert ("images", "metadata") in world.conditions.problems
        await until(FIRST_RUN + 2 * INTERVAL)
        assert first + 2 == len(world.asked)
        assert {"not_kept": first + 2} == job.snapshot().images
        world.cache.is_full = False
        await until(FIRST_RUN + 10 * INTERVAL)
        assert {} == world.conditions.problems
        assert 5 == world.cache.images


async def test_the_decoder_rests_between_the_runs(autojump_clock: MockClock) -> None:
    world = MetadataWorld()
    world.maker.seconds = 1.0
    world.tell_document(1, IMAGE, description="d")
    async with running(world.job()):
        await world.start_with(coin(1))
        await until(FIRST_RUN + 0.5)
        assert world.maker.is_open
        await until(FIRST_RUN + 1.5)
        assert not world.maker.is_open


async def test_the_chain_completes_what_nobody_told_of_a_mint(autojump_clock: MockClock) -> None:
    mints = ScriptedMints()
    facts: dict[str, Value] = {
        "mint_renounced": True,
        "freeze_revoked": False,
        "decimals": 6,
        "total_supply": "5",
    }
    for number in (1, 2):
        mints.known[mint(number)] = MintFacts(mint=mint(number), values=facts)
    world = MetadataWorld(mints=mints)
    async with running(world.job()):
        await world.start_with(
            token(1), coin(2, decimals=None), coin(3), coin(4, freeze_revoked=None)
        )
        await until(FIRST_RUN)
        assert [{mint(1), mint(2), mint(4)}] == [set(call.mints) for call in mints.script.calls]
        assert [facts] == world.values(1)
        assert [{"decimals": 6}] == world.values(2)
        assert {"metadata rpc"} == {update.origin for _, update in world.updates}
        await until(FIRST_RUN + 3 * INTERVAL)
        asked = [each for call in mints.script.calls for each in call.mints]
        assert (1, 1) == (asked.count(mint(1)), asked.count(mint(2)))
        assert asked.count(mint(4)) >= 2  # the server does not know it yet


async def test_an_rpc_server_in_trouble_holds_back_no_document(autojump_clock: MockClock) -> None:
    mints = ScriptedMints(script=CallScript(delay_seconds=20.0, failures={1: SourceInTrouble()}))
    world = MetadataWorld(mints=mints)
    world.tell_document(1, description="d")
    async with running(world.job()):
        await world.start_with(coin(1, decimals=None))
        await until(FIRST_RUN)
        assert 1 == len(world.updates)
        await until(FIRST_RUN + 21.0)
        assert ("rpc mints", "metadata") in world.conditions.problems


async def test_memory_of_tries_is_bounded_by_the_tokens_on_the_feed(
    autojump_clock: MockClock,
) -> None:
    world = MetadataWorld()
    world.settings = attrs.evolve(SETTINGS, tracking=attrs.evolve(SETTINGS.tracking, tokens=10))
    job = world.job()
    async with running(job):
        await world.start_with(*(coin(n) for n in range(1, 11)))
        await until(FIRST_RUN)
        assert 10 == len(job.documents.failures)
        await world.publish(*(coin(n, metadata_uri=link(n)) for n in range(11, 21)))
        await until(FIRST_RUN + INTERVAL)
        assert 10 == len(job.documents.roster.entries)
        assert set(job.documents.failures) == {mint(n) for n in range(11, 21)}
