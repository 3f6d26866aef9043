"""Metadata: what a coin's people say of it, its picture, and what the chain says of its mint.

    TokensPublished (from sync) -> MetadataJob -> TokenUpdated -> sync
                                              -> small pictures -> the cache of images
    SystemActivated, SystemIdled (from activity) decide whether it asks the world at all.

Each is fetched once a token, by interest, and only what the token has not is sent: a profile is
written once. A document whose fetch succeeds makes its image the next errand.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import repeat
from math import inf

import trio
from attrs import define, field, frozen

from actors.jobs.errands import Errand, ErrandKind, Errands
from actors.jobs.inquiry import NOT_ASKING, Inquirer, InquirySnapshot, new_inquirer
from actors.jobs.job import JobContext
from actors.jobs.pursuit import REST_SECONDS, Pursuit
from actors.jobs.roster import Roster
from domain.errors import FetchRefused, ImageNotKept, ImageRefused
from domain.snapshots import counter, gauge, read_fields, snapshot_class
from domain.token import Token
from domain.values import Mint, Value
from images import ThumbnailCache, ThumbnailMaker
from sources.metadata import FetchedDocument, MetadataProvider, MintFacts, MintProvider
from sources.outages import SourceOutage

MINT_FIELDS = ("mint_renounced", "freeze_revoked", "decimals", "total_supply")
CACHE_NAME = "images"  # what people call the directory when it takes nothing


@frozen(kw_only=True)
class MetadataSources:
    """Whom the job asks, and where it puts pictures."""

    web: MetadataProvider | None  # None: switched off
    mints: MintProvider | None  # None: no RPC server is known
    maker: ThumbnailMaker
    cache: ThumbnailCache


@snapshot_class
class MetadataSnapshot(InquirySnapshot):
    documents: Mapping[str, int] = counter("Fetches of metadata.", by="outcome")
    images: Mapping[str, int] = counter("Fetches of images.", by="outcome")
    given_up: int = counter("Documents and images that are left alone for hours.")
    updates: int = counter("Updates sent to sync.")
    wanted_documents: int = gauge("Tokens without metadata that it may ask about.")
    wanted_images: int = gauge("Tokens without a picture that it may ask about.")
    cached_images: int = gauge("Pictures in the cache.")
    cached_bytes: int = gauge("Disk space that the pictures take.")
    cache_events: Mapping[str, int] = counter("What happened to pictures in the cache.", by="event")


@define(kw_only=True)
class MetadataJob:
    """Fills profiles, keeps pictures, completes what is known of mints."""

    # Messages in and out.
    context: JobContext
    # State.
    sources: MetadataSources | None
    documents: Pursuit
    images: Pursuit
    accounts: Roster
    inquirer: Inquirer | None = field(init=False)
    cache_outage: SourceOutage = field(init=False)
    document_outcomes: Counter[str] = field(factory=Counter, init=False)
    image_outcomes: Counter[str] = field(factory=Counter, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)

    @inquirer.default
    def _new_inquirer(self) -> Inquirer | None:
        mints = self.sources.mints if self.sources and self.sources.web else None
        interval_seconds = self.context.settings.metadata.interval_seconds
        return new_inquirer(mints, self.context, self.accounts, interval_seconds)

    @cache_outage.default
    def _new_cache_outage(self) -> SourceOutage:
        context = self.context
        return SourceOutage(
            source=CACHE_NAME, reporter=context.mail.name, environment=context.environment
        )

    @classmethod
    def build(cls, context: JobContext, sources: MetadataSources | None) -> "MetadataJob":
        settings, environment = context.settings, context.environment
        return cls(
            context=context,
            sources=sources,
            documents=Pursuit.from_settings(settings, environment),
            images=Pursuit.from_settings(settings, environment),
            accounts=Roster.from_settings(settings),
        )

    async def run(self) -> None:
        """Serve until the publications are closed."""
        await self._open_cache()
        await self.context.serve(
            self.fetch_metadata,
            learn_token=self.learn_token,
            intervals_seconds=repeat(self.context.settings.metadata.interval_seconds),
        )

    def snapshot(self) -> MetadataSnapshot:
        asked = NOT_ASKING if self.inquirer is None else self.inquirer.snapshot()
        cache = self.sources.cache if self.sources else None
        return MetadataSnapshot(
            **read_fields(asked),
            documents=dict(self.document_outcomes),
            images=dict(self.image_outcomes),
            given_up=self.counts["given_up"],
            updates=self.counts["updates"],
            wanted_documents=len(self.documents.roster.entries),
            wanted_images=len(self.images.roster.entries),
            cached_images=cache.images if cache else 0,
            cached_bytes=cache.size_bytes if cache else 0,
            cache_events=dict(cache.events) if cache else {},
        )

    async def _open_cache(self) -> None:
        if self.sources is None:
            return
        try:
            await self.sources.cache.open_directory()
        except ImageNotKept as error:
            self.cache_outage.note_problem(str(error))
        else:
            self.cache_outage.note_success()

    # Messages in.

    async def learn_token(self, token: Token) -> None:
        if self.sources is None or self.sources.web is None:
            return
        # A description comes from nobody else; one that has none is asked for again at a restart.
        self.documents.learn_token(
            token, is_wanted=token.metadata_uri is not None and token.description is None
        )
        # The image of a document is fetched before the token shows its link.
        has_link = (
            bool(token.image_url or token.logo_uri) or token.mint in self.images.roster.entries
        )
        has_image = self.sources.cache.has_image(token.mint)
        self.images.learn_token(token, is_wanted=has_link and not has_image)
        if self.inquirer is not None and any(getattr(token, each) is None for each in MINT_FIELDS):
            self.accounts.learn_token(token)
        else:
            self.accounts.entries.pop(token.mint, None)

    # One run.

    async def fetch_metadata(self) -> None:
        """One run: what is due of the most interesting tokens, for one interval at most."""
        if self.sources is None or self.sources.web is None:
            return
        run = _Run(self, self.sources.web, self.sources)
        before = self.document_outcomes["fetched"], self.image_outcomes["kept"]
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._ask_accounts)
                nursery.start_soon(run.work_off)
        finally:
            with trio.CancelScope(shield=True):  # it kills a process at most
                await self.sources.maker.close()
        self.context.environment.log.info(
            "metadata fetched",
            documents=self.document_outcomes["fetched"] - before[0],
            images=self.image_outcomes["kept"] - before[1],
        )

    async def _ask_accounts(self) -> None:
        """Ask the chain about mints of which neither a stream nor Jupiter has told all."""
        mints = self.sources.mints if self.sources else None
        if mints is None or self.inquirer is None:
            return
        now = self.context.environment.clock()
        self.accounts.forget_unretained(now)
        picked = self.accounts.pick_tokens(self.context.settings.metadata.tokens, now)
        await self.inquirer.ask_about(
            mints.fetch_facts,
            [token.mint for token in picked],
            take_answers=self._take_facts,
            is_wanted=lambda: self.context.activity.active,
        )

    async def _take_facts(self, facts: Sequence[MintFacts]) -> None:
        for each in facts:
            entry = self.accounts.entries.get(each.mint)
            if entry is None:  # sync has told meanwhile that all is known
                continue
            # What this answer leaves out no later one will hold.
            entry.due_at = self.context.environment.clock() + REST_SECONDS
            await self.send_missing(entry.token, each.values, source="rpc")

    async def send_missing(self, token: Token, values: Mapping[str, Value], source: str) -> None:
        """Tell sync what of the values the token has not."""
        missing = {
            name: value for name, value in values.items() if getattr(token, name, None) is None
        }
        if missing:
            self.counts["updates"] += 1
            await self.context.mail.send_update(token.mint, missing, source=source)

    def note_document(self, mint: Mint, error: FetchRefused | None) -> None:
        now = self.context.environment.clock()
        if error is None:
            self.document_outcomes["fetched"] += 1
            self.documents.note_success(mint, inf)
            return
        self.document_outcomes[error.reason] += 1
        is_given_up = self.documents.note_failure(mint, now, is_final=error.is_final)
        self.counts["given_up"] += is_given_up

    def note_image(self, mint: Mint, outcome: str, *, is_final: bool) -> None:
        now = self.context.environment.clock()
        self.image_outcomes[outcome] += 1
        if outcome == "kept":
            self.images.note_success(mint, now + REST_SECONDS)  # should it be evicted
            return
        is_given_up = self.images.note_failure(mint, now, is_final=is_final)
        self.counts["given_up"] += is_given_up


class _Run:
    """The errands of one run of the job."""

    def __init__(self, job: MetadataJob, web: MetadataProvider, sources: MetadataSources) -> None:
        self.job = job
        self.web = web
        self.sources = sources
        self.settings = job.context.settings.metadata
        self.ends_at = trio.current_time() + self.settings.interval_seconds
        self.errands = Errands(
            concurrency=self.settings.concurrency, waiting=deque(self._pick_errands())
        )

    async def work_off(self) -> None:
        await self.errands.work_off(self._handle, self._is_wanted)

    def _is_wanted(self) -> bool:
        """A new run begins with what is then most interesting; what is left here is among it."""
        return self.job.context.activity.active and trio.current_time() < self.ends_at

    def _pick_errands(self) -> list[Errand]:
        now = self.job.context.environment.clock()
        job, count = self.job, self.settings.tokens
        documents = job.documents.pick_tokens(count, now)
        fetched = {token.mint for token in documents}
        # A directory that takes nothing is tried with one picture a run.
        count = 1 if job.cache_outage.is_away else count
        images = [each for each in job.images.pick_tokens(count, now) if each.mint not in fetched]
        picked = [
            *(self._make_errand("document", each, each.metadata_uri) for each in documents),
            *(self._make_errand("image", each, each.image_url or each.logo_uri) for each in images),
        ]
        rank = job.documents.roster.rank_interest
        picked.sort(key=lambda each: rank(each.token), reverse=True)
        return picked

    def _make_errand(self, kind: ErrandKind, token: Token, link: str | None) -> Errand:
        return Errand(kind=kind, token=token, link=link or "", host=self.web.name_host(link or ""))

    async def _handle(self, errand: Errand) -> None:
        if errand.kind == "document":
            await self._fetch_document(errand)
        else:
            await self._fetch_image(errand)

    async def _fetch_document(self, errand: Errand) -> None:
        token = errand.token
        try:
            fetched = await self.web.fetch_document(errand.link)
        except FetchRefused as error:
            self.job.note_document(token.mint, error)
            return
        self.job.note_document(token.mint, None)
        await self.job.send_missing(token, _list_values(fetched), source=fetched.kind)
        link = fetched.image_url or token.image_url or token.logo_uri
        is_wanted = link is not None and not self.sources.cache.has_image(token.mint)
        if is_wanted and not self.job.cache_outage.is_away:
            self.job.images.learn_token(token, is_wanted=True)
            self.errands.add_next(self._make_errand("image", token, link))

    async def _fetch_image(self, errand: Errand) -> None:
        mint = errand.token.mint
        try:
            image = await self.web.fetch_image(errand.link)
            thumbnail = await self.sources.maker.make_thumbnail(image)
            await self.sources.cache.keep_image(mint, thumbnail)
        except FetchRefused as error:
            self.job.note_image(mint, error.reason, is_final=error.is_final)
        except ImageRefused as error:
            self.job.note_image(mint, error.reason, is_final=True)
        except ImageNotKept as error:
            self.job.cache_outage.note_problem(str(error))
            self.job.note_image(mint, "not_kept", is_final=False)
        else:
            self.job.cache_outage.note_success()
            self.job.note_image(mint, "kept", is_final=True)


def _list_values(fetched: FetchedDocument) -> Mapping[str, Value]:
    """The document's values, and the image as both of its names."""
    image = fetched.image_url
    images = {} if image is None else {"image_url": image, "logo_uri": image}
    return {**fetched.document.values, **images}
