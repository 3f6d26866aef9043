"""Mistakes that somebody could make, by room, each with the plan in which the simulation sees it.

A mutant has to be a mistake that passes every type check and raises nothing by itself. One that
survives is a hole in the simulation: it is not the mutant that has to become worse.
"""

from tests.simulation.mutants import (
    activity,
    domain,
    feed,
    ingest,
    jobs,
    sources,
    supervision,
    sync,
    trading,
)

MUTANTS = (
    *sources.MUTANTS,
    *ingest.MUTANTS,
    *trading.MUTANTS,
    *jobs.MUTANTS,
    *activity.MUTANTS,
    *sync.MUTANTS,
    *feed.MUTANTS,
    *supervision.MUTANTS,
    *domain.MUTANTS,
)
