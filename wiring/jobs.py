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
from sources.providers import (
    Upstreams,
    connect_holder_provider,
    connect_market_providers,
    connect_nobody,
)
from supervision import Actor


@frozen
class JobWiring:
    """How one job is built, and whom it asks."""

    build: Callable[[JobContext, Any], Actor]  # with what `connect` gave
    connect: Callable[[Upstreams], object] = connect_nobody
    hears_trades: bool = False  # at most one job: the mailbox of trades has one reader


JOBS: Mapping[str, JobWiring] = {  # in flow order
    "market-data": JobWiring(MarketDataJob.build, connect_market_providers),
    "hot-score": JobWiring(HotScoreJob.build, hears_trades=True),
    "holder-count": JobWiring(HolderCountJob.build, connect_holder_provider),
}
