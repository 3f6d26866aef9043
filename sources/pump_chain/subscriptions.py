"""The subscriptions of one connection: which brings which program's logs, and which is silent.

    programs -> requests; answers -> ids; notifications -> last heard -> programs to ask for again

A server may drop one subscription and keep the others. The programs speak all the time, so one
that is silent while the others speak is subscribed to again; where it had only been quiet, that
costs a few duplicates, which count once. No I/O.
"""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import define, field

from sources.pump_chain.notifications import SubscriptionMade, render_subscription
from sources.pump_chain.programs import LAUNCHLAB, PUMP, PUMPSWAP

# How many times the silence of a dead connection each may be silent for.
PATIENCE: Mapping[str, float] = MappingProxyType({PUMP: 1.0, PUMPSWAP: 1.0, LAUNCHLAB: 5.0})


@define(kw_only=True)
class ProgramSubscriptions:
    """What one connection has asked for, and hears."""

    silence_seconds: float
    asked: list[str] = field(factory=list, init=False)  # programs, by number of request from 1
    programs: dict[int, str] = field(factory=dict, init=False)  # by the server's subscription
    heard_at: dict[str, float] = field(factory=dict, init=False)  # trio time, by program

    def make_request(self, program: str, now: float) -> bytes:
        """The message that asks for a program's logs."""
        self.asked.append(program)
        self.heard_at[program] = now
        return render_subscription(len(self.asked), program)

    def note_made(self, made: SubscriptionMade) -> None:
        """The server has given a subscription its id."""
        if 1 <= made.number <= len(self.asked):
            self.programs[made.subscription] = self.asked[made.number - 1]

    def note_heard(self, subscription: int | None, now: float) -> str | None:
        """A notification has come; the program that it is about, where that is known."""
        program = None if subscription is None else self.programs.get(subscription)
        if program is not None:
            self.heard_at[program] = now
        return program

    def list_silent(self, now: float) -> list[str]:
        """Programs of which nothing was heard for too long, although their id is known."""
        known = set(self.programs.values())
        return [
            program
            for program, heard_at in self.heard_at.items()
            if program in known and now - heard_at >= PATIENCE[program] * self.silence_seconds
        ]
