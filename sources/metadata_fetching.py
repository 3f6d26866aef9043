"""The `MetadataProvider` of the real world: guarded fetches, and several gateways of IPFS.

    link -> plan_fetch -> GuardedHttp, one gateway after another -> the first usable answer

A gateway that does not answer soon gets company: the next is asked as well, and the first answer
that can be used ends the others. One that limits or fails us is asked last for a while.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Generic, TypeVar

import trio
from attrs import define, field

from domain.errors import FetchRefused
from sources.guarded import GuardedHttp, refuse_fetch
from sources.metadata import CoinDocument, FetchedDocument, parse_document
from sources.metadata_links import FetchPlan, make_web_link, plan_fetch

LARGEST_DOCUMENT_BYTES = 64 * 1024
LARGEST_IMAGE_BYTES = 2 * 1024 * 1024
HEAD_START_SECONDS = 2.0  # of a gateway before the next is asked as well
REST_SECONDS = 60.0  # of a gateway that failed
# Failures of the gateway, not of what it was asked for.
GATEWAY_FAILURES = frozenset({"http_403", "http_429", "unreachable", "unresolved", "timeout"})

Result = TypeVar("Result")


@define(kw_only=True)
class MetadataWeb:
    """Fetches documents and images by strangers' links."""

    http: GuardedHttp
    gateways: Sequence[str]  # of IPFS: prefixes, in order of preference
    rests_until: dict[str, float] = field(factory=dict, init=False)  # trio time, by gateway

    def name_host(self, link: str) -> str:
        return self._plan(link).host

    async def fetch_document(self, link: str) -> FetchedDocument:
        plan = self._plan(link)
        document: CoinDocument = await self._fetch(plan, LARGEST_DOCUMENT_BYTES, parse_document)
        image = document.image_link
        return FetchedDocument(
            document=document,
            kind=plan.kind,
            image_url=make_web_link(image, self.gateways) if image else None,
        )

    async def fetch_image(self, link: str) -> bytes:
        return await self._fetch(self._plan(link), LARGEST_IMAGE_BYTES, bytes)

    def _plan(self, link: str) -> FetchPlan:
        return plan_fetch(link, self.gateways)

    async def _fetch(
        self, plan: FetchPlan, largest_bytes: int, parse: Callable[[bytes], Result]
    ) -> Result:
        race: Race[Result] = Race(http=self.http, largest_bytes=largest_bytes, parse=parse)
        links = sorted(plan.links, key=self._count_rest_seconds)
        try:
            with trio.fail_after(self.http.timeout_seconds):
                return await race.run(links)
        except trio.TooSlowError as error:
            message = f"not complete within {self.http.timeout_seconds:g} s"
            raise refuse_fetch("timeout", message) from error
        finally:
            self._note_failures(race.failures)

    def _count_rest_seconds(self, link: str) -> float:
        """How long a gateway still rests; the sort is stable, so none keeps the order."""
        ends_at = max(
            (until for gateway, until in self.rests_until.items() if link.startswith(gateway)),
            default=-inf,
        )
        return max(0.0, ends_at - trio.current_time())

    def _note_failures(self, failures: Mapping[str, FetchRefused]) -> None:
        for link, error in failures.items():
            for gateway in self.gateways:
                if link.startswith(gateway) and error.reason in GATEWAY_FAILURES:
                    self.rests_until[gateway] = trio.current_time() + REST_SECONDS


@define(kw_only=True)
class Race(Generic[Result]):
    """The same content asked for at several places; the first usable answer wins."""

    http: GuardedHttp
    largest_bytes: int
    parse: Callable[[bytes], Result]
    failures: dict[str, FetchRefused] = field(factory=dict, init=False)  # by link, in order
    results: list[Result] = field(factory=list, init=False)

    async def run(self, links: Sequence[str]) -> Result:
        """The first result; `FetchRefused`, as the first place said it, where all have failed."""
        async with trio.open_nursery() as nursery:
            for link in links:
                failed = trio.Event()
                nursery.start_soon(self._try_link, link, failed, nursery.cancel_scope)
                with trio.move_on_after(HEAD_START_SECONDS):
                    await failed.wait()
        if self.results:
            return self.results[0]
        raise next(iter(self.failures.values()))

    def _read_body(self, body: bytes) -> Result:
        """What is in the body. Whatever a stranger wrote, it must not end the process."""
        try:
            return self.parse(body)
        except FetchRefused:
            raise
        except Exception as error:  # a fault of ours, which costs this document alone
            raise FetchRefused(repr(error), reason="unreadable", is_final=True) from error

    async def _try_link(self, link: str, failed: trio.Event, race: trio.CancelScope) -> None:
        try:
            body = await self.http.fetch_body(link, self.largest_bytes)
            self.results.append(self._read_body(body))
        except FetchRefused as error:
            self.failures[link] = error
            failed.set()
        else:
            race.cancel()
