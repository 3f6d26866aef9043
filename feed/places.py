"""Places: which connections are served, and what becomes of the others.

    accept  ->  take_place  ->  a full place, or one in the reserve that tells why  ->  give_back

Of full places there are `gateway.clients`, and `gateway.clients_per_address` for one address.
Beyond them a few connections are taken in reserve, so that health checks still get through;
everything else is refused there. Of these the newest are kept: a flood that fills the reserve
pushes out its own earlier connections, and a health check, which asks at once, has its answer by
then. Full places need no spare descriptor: while one is missing, whoever comes is in reserve.
"""

import trio
from attrs import define, field, frozen

from config.settings import GatewaySettings
from domain.errors import RequestRefused
from feed.descriptors import SpareDescriptors
from feed.limits import AddressLimits, too_many_connections

RESERVED_CONNECTIONS = 64  # for health checks and for saying why not; the newest win

# Why a connection or a request is refused, as the metrics name it, and the code of the answer.
NO_ROOM, NO_DESCRIPTORS = "too_many_clients", "no_descriptors"
ADDRESS_FULL, TOO_OFTEN = "too_many_connections", "rate_limited"
REASONS = (NO_ROOM, NO_DESCRIPTORS, ADDRESS_FULL, TOO_OFTEN)


@frozen(eq=False)
class Place:
    """What one connection was given."""

    scope: trio.CancelScope  # of the connection
    block: str | None = None  # whose limit it counts against
    reason: str | None = None  # why it is in reserve; None: it is not

    @property
    def is_reserve(self) -> bool:
        """Whether others wait for this place."""
        return self.reason is not None


@define(eq=False)
class Places:
    """All connections that are open."""

    settings: GatewaySettings
    limits: AddressLimits
    open: int = field(init=False, default=0)
    refused: dict[str, int] = field(init=False, factory=lambda: dict.fromkeys(REASONS, 0))
    spares: SpareDescriptors = field(init=False, factory=SpareDescriptors)
    _reserve: dict[Place, None] = field(init=False, factory=dict)  # oldest first
    _one_ended: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)

    def take_place(self, peer: str, scope: trio.CancelScope) -> Place:
        """The place of a new connection; `scope` is cancelled when it must make room."""
        block = self.limits.find_peer(peer)
        if self.open - len(self._reserve) >= self.settings.clients:
            place = Place(scope, reason=NO_ROOM)
        elif not self.spares.take_back():
            place = Place(scope, reason=NO_DESCRIPTORS)
        elif block is not None and not self.limits.try_hold(block):
            place = Place(scope, reason=ADDRESS_FULL)
        else:
            place = Place(scope, block)
        self.open += 1
        if place.is_reserve:
            if len(self._reserve) >= RESERVED_CONNECTIONS:
                self.push_out_oldest()
            self._reserve[place] = None
        return place

    def give_back(self, place: Place) -> None:
        """The connection has ended."""
        self.open -= 1
        self._reserve.pop(place, None)
        if place.block is not None:
            self.limits.release(place.block)
        self._one_ended.unpark_all()

    def require_full_place(self, place: Place) -> None:
        """Raise `RequestRefused` in the reserve."""
        if place.reason == ADDRESS_FULL:
            raise too_many_connections()
        if place.reason == NO_DESCRIPTORS:
            raise RequestRefused(503, NO_DESCRIPTORS, "no more connections can be held")
        if place.is_reserve:
            raise RequestRefused(503, NO_ROOM, "no more clients can be served")

    def note_refusal(self, code: str) -> None:
        """Count a refused request by its code, if that is one of the reasons here."""
        if code in self.refused:
            self.refused[code] += 1

    def push_out_oldest(self) -> bool:
        """Close the oldest connection in reserve; False where there is none."""
        if not self._reserve:
            return False
        oldest = next(iter(self._reserve))
        del self._reserve[oldest]
        oldest.scope.cancel()
        self.note_refusal(oldest.reason or NO_ROOM)
        return True

    async def wait_until_one_ends(self) -> None:
        """Wait until a place is given back."""
        await self._one_ended.park()
