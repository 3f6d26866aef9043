"""The switch of a job: it works while somebody is looking, and rests while the system is idle.

SystemActivated, SystemIdled (from activity) -> ActivitySwitch -> schedule, and the job itself
"""

import trio
from attrs import Factory, define, field

from domain.messages import ActivityChange, SystemActivated
from supervision import Inbox


@define(kw_only=True)
class JobMemory:
    """What outlives a restart of a job: a restart during idleness must not make it work."""

    active: bool = True  # until told otherwise
    activations: int = 0  # changes from idle to active


@define(eq=False)
class ActivitySwitch:
    """Active or idle, as the activity actor last told."""

    memory: JobMemory = Factory(JobMemory)
    _activated: trio.Event = field(init=False, factory=trio.Event)

    @property
    def active(self) -> bool:
        return self.memory.active

    @property
    def activations(self) -> int:
        return self.memory.activations

    async def obey_control(self, control: Inbox[ActivityChange]) -> None:
        """Follow the activity actor until it closes the mailbox."""
        async for change in control:
            self._turn_switch(active=isinstance(change, SystemActivated))

    def _turn_switch(self, *, active: bool) -> None:
        was_active, self.memory.active = self.memory.active, active
        if active and not was_active:
            self.memory.activations += 1
            self._activated.set()
            self._activated = trio.Event()

    async def wait_activated(self, after: int) -> None:
        """Until there have been more than `after` activations.

        Counting, and not just waiting, misses no activation that comes while a job runs.
        """
        while self.activations <= after:
            await self._activated.wait()
