"""What goes wrong with the market's upstreams: by a test's word, or now and then by itself.

Troubles.begin(upstream, kind) -> the server cuts, says nothing or refuses -> Troubles.end
"""

from random import Random
from typing import Literal

from attrs import define, field, frozen

StreamName = Literal["pumpportal", "pumpapi", "chain"]
Upstream = Literal[
    "pumpportal", "pumpapi", "chain", "dexscreener", "jupiter", "rpc", "metadata"
]  # "chain" is the Solana node's WebSocket, "rpc" its HTTP
STREAMS: tuple[StreamName, ...] = ("pumpportal", "pumpapi", "chain")
PROVIDERS: tuple[Upstream, ...] = ("dexscreener", "jupiter", "rpc", "metadata")
REFUSALS = (503, 429, 502)
GRACE_SECONDS = 30.0  # after the start, and from the end of one trouble to the next at least
DURATION_SECONDS = (8.0, 25.0)


@frozen(kw_only=True)
class Trouble:
    """One upstream's trouble: `status` None means silence, of which a stream is capable."""

    upstream: Upstream
    status: int | None
    seconds: float


@define
class Troubles:
    """Which upstreams are in trouble now. A cut is no state: it happens, and the client is gone."""

    silent: set[Upstream] = field(factory=set)  # accepts and subscribes, and then sends nothing
    refusing: dict[Upstream, int] = field(factory=dict)  # HTTP status; of a stream: of its upgrade

    def begin(self, trouble: Trouble) -> None:
        if trouble.status is None:
            self.silent.add(trouble.upstream)
        else:
            self.refusing[trouble.upstream] = trouble.status

    def end(self, upstream: Upstream) -> None:
        self.silent.discard(upstream)
        self.refusing.pop(upstream, None)

    def describe(self) -> str:
        """For a status line; empty when all is well."""
        silent = [f"{name} silent" for name in sorted(self.silent)]
        return ", ".join(silent + [f"{name} {code}" for name, code in self.refusing.items()])


def next_trouble(mean_seconds: float, random: Random) -> tuple[float, Trouble]:
    """How long all is well, and what comes then; one upstream at a time."""
    wait = GRACE_SECONDS + random.expovariate(1 / max(mean_seconds - GRACE_SECONDS, 1.0))
    seconds = random.uniform(*DURATION_SECONDS)
    if random.random() < 0.7:
        upstream: Upstream = random.choice(STREAMS)
        status = random.choice((None, 503, 502))
    else:
        upstream = random.choice(PROVIDERS)
        status = random.choice(REFUSALS)
    return wait, Trouble(upstream=upstream, status=status, seconds=seconds)
