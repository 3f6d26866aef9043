"""Every strategy of the storm, in the order of the table."""

from functools import partial

from commands.storm.replay import StrategyName
from commands.storm.service import Limit, ServiceLogged, StormedService
from commands.storm.wide import AsItWas, CaseUpdate, Coalesced, NoIndex
from config.settings import Settings


def every_strategy(settings: Settings) -> list[StrategyName]:
    """From the seeds' system to the limit of what is possible."""
    return [
        StrategyName(name="as-it-was", title="as it was: UPDATE a row", build=AsItWas),
        StrategyName(name="case", title="one CASE UPDATE a job", build=CaseUpdate),
        StrategyName(name="coalesced", title="coalesced flush, same table", build=Coalesced),
        StrategyName(name="no-index", title="no index on what changes", build=NoIndex),
        StrategyName(
            name="service", title="this service", build=partial(StormedService, settings=settings)
        ),
        StrategyName(
            name="service-logged",
            title="this service, stats logged",
            build=partial(ServiceLogged, settings=settings),
        ),
        StrategyName(
            name="limit",
            title="limit: bare WAL messages",
            build=partial(Limit, settings=settings),
            reads_back=False,
        ),
    ]
