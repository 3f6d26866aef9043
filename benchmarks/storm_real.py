"""The storm's table at the real rates: 1,700 new tokens an hour, 500 active ones.

The libraries are left out here: at the seeds' rates they write what the coalesced flush writes.
"""

from benchmarks import storm
from benchmarks.results import Result


def run(is_quick: bool) -> Result:
    return storm.run(is_quick, rates="real", peers=())
