"""The jobs. A new one costs its own module in actors/jobs/ and one line in `JOBS`.

JOBS -> mailboxes, control mailboxes, publications, providers and child specs, by the job's name
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from actors.jobs.holder_count import HolderCountJob
from actors.jobs.hot_score import HotScoreJob
from actors.jobs.job import JobContext
from actors.jobs.market_data import MarketDataJob
from actors.jobs.metadata import MetadataJob
from sources.providers import connect_holder_provider, connect_market_providers
from supervision import Actor
from wiring.metadata import connect_metadata
from wiring.outside import Outside


def connect_nobody(_outside: Outside) -> None:
    """For a job that asks nobody."""


@frozen
class JobWiring:
    """How one job is built, and whom it asks."""

    build: Callable[[JobContext, Any], Actor]  # with what `connect` gave
    connect: Callable[[Outside], object] = connect_nobody
    hears_trades: bool = False  # at most one job: the mailbox of trades has one reader


JOBS: Mapping[str, JobWiring] = {  # in flow order
    "market-data": JobWiring(
        MarketDataJob.build, lambda outside: connect_market_providers(outside.upstreams)
    ),
    "hot-score": JobWiring(HotScoreJob.build, hears_trades=True),
    "holder-count": JobWiring(
        HolderCountJob.build, lambda outside: connect_holder_provider(outside.upstreams)
    ),
    "metadata": JobWiring(MetadataJob.build, connect_metadata),
}
