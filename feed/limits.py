"""What one address, or one integrator, may have and do: connections at once, and requests a second.

    peer, request  ->  AddressLimits  ->  counted, or refused (429), with RateLimit fields

Not limited are `gateway.unlimited_addresses`, which by default are those behind which there may be
everybody: this machine and private networks, whence proxies and bridges of containers ask. The
trusted proxies are not limited either: the clients that they tell of are. Whoever shows a key of
`gateway.api_keys` has that key's limits, from wherever it asks.

RateLimit-Policy and RateLimit: draft-ietf-httpapi-ratelimit-headers-10.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from math import ceil

from attrs import define, field, frozen

from config.api_keys import parse_api_keys
from config.networks import Networks, parse_networks
from config.settings import GatewaySettings
from domain.errors import RequestRefused
from feed.addresses import (
    FORWARDED_FIELDS,
    Address,
    is_within,
    name_block,
    read_address,
    trace_client,
)
from feed.allowance import Allowance
from feed.http import Headers, HttpRequest

BURST_SECONDS = 10  # of the rate: what may be asked at once, after as long a rest
# Blocks whose requests are remembered, some 5 MB. Beyond them the one that asked longest ago is
# forgotten, and begins anew with a whole allowance: whoever has more addresses than these is not
# held up by a limit an address anyway.
MOST_BLOCKS = 20_000


KEY_FIELD = "x-api-key"


@frozen
class ClientLimit:
    """What one may have and do; 0: no limit."""

    requests_per_second: float
    connections: int

    @property
    def burst(self) -> float:
        """How many requests at once, after a rest."""
        return max(self.requests_per_second * BURST_SECONDS, 1.0)


@define(eq=False)
class AddressLimits:
    """Connections and requests of every address (IPv6: of every /64), and of every key."""

    settings: GatewaySettings
    proxies: Networks = field(init=False)
    unlimited: Networks = field(init=False)
    _connections: dict[str, int] = field(init=False, factory=dict)  # by block; none is 0
    _allowances: dict[str, Allowance] = field(init=False, factory=dict)  # last asked last
    _anonymous: ClientLimit = field(init=False)
    _keys: dict[bytes, str] = field(init=False, factory=dict)  # blocks by the hash of a key
    _limits: dict[str, ClientLimit] = field(init=False, factory=dict)  # by block of a key

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        self._anonymous = ClientLimit(
            settings.requests_per_second_per_address, settings.clients_per_address
        )
        for key in parse_api_keys(settings.api_keys):
            block = f"key {key.name}"
            self._keys[_hash_key(key.key)] = block
            self._limits[block] = ClientLimit(key.requests_per_second, key.connections)
        self.proxies = parse_networks(self.settings.trusted_proxies)
        self.unlimited = parse_networks(self.settings.unlimited_addresses)

    # Who it is.

    def find_peer(self, peer: str) -> str | None:
        """The block that a connection counts for; None: it is not limited, or a proxy's."""
        address = read_address(peer)
        return None if address is None else self._find_block(address)

    def find_client(self, request: HttpRequest) -> str | None:
        """The block that a request counts for; None: it is not limited.

        `RequestRefused` for a key that is none.
        """
        if (key := request.headers.get(KEY_FIELD)) is not None:
            if (block := self._keys.get(_hash_key(key))) is None:
                raise RequestRefused(401, "unknown_key", "this is no key of an integrator here")
            return block
        peer = read_address(request.peer)
        if peer is None:
            return None  # it has gone already
        return self._find_block(trace_client(peer, request.headers, self.proxies))

    def is_unnamed_proxy(self, request: HttpRequest) -> bool:
        """Whether a proxy that is not trusted seems to ask, so that no client is limited."""
        peer = read_address(request.peer)
        if peer is None or is_within(peer, self.proxies):
            return False
        is_forwarded = any(name in request.headers for name in FORWARDED_FIELDS)
        return is_forwarded and is_within(peer, self.unlimited)

    def _find_block(self, address: Address) -> str | None:
        is_free = is_within(address, self.proxies) or is_within(address, self.unlimited)
        return None if is_free else name_block(address)

    # Connections.

    def try_hold(self, block: str) -> bool:
        """Count one connection more; False, and it is not counted, where there are as many."""
        held = self._connections.get(block, 0)
        if 0 < self._limit_of(block).connections <= held:
            return False
        self._connections[block] = held + 1
        return True

    def release(self, block: str) -> None:
        """Count one connection less."""
        self._connections[block] -= 1
        if not self._connections[block]:
            del self._connections[block]

    @contextmanager
    def hold_while_served(self, block: str | None) -> Iterator[None]:
        """Count a client behind a proxy while it is served; `RequestRefused` beyond its limit."""
        if block is None:
            yield
            return
        if not self.try_hold(block):
            raise too_many_connections()
        try:
            yield
        finally:
            self.release(block)

    # Requests.

    def charge_request(self, block: str | None, now: float) -> None:
        """Count one request; `RequestRefused` beyond the rate."""
        if block is None or not self._limit_of(block).requests_per_second:
            return
        if not self._find_allowance(block, now).try_take(1.0, now):
            raise RequestRefused(429, "rate_limited", "this client asks too often; see RateLimit")

    def describe_limits(self, block: str | None, now: float) -> Headers:
        """What the address may have and do, and what is left of it."""
        if block is None:
            return ()
        policies, left = [], []
        limit = self._limit_of(block)
        if limit.requests_per_second:
            allowance = self._find_allowance(block, now)
            requests = int(allowance.count_left(now))
            # Until the next request where none is left, as Retry-After says, or else until all are.
            seconds = ceil(allowance.seconds_until(limit.burst if requests else 1.0, now))
            policies.append(f'"requests";q={int(limit.burst)};w={BURST_SECONDS}')
            left.append(f'"requests";r={requests};t={seconds}')
        if most := limit.connections:
            connections = max(most - self._connections.get(block, 0), 0)
            policies.append(f'"connections";q={most};qu="concurrent-requests"')
            left.append(f'"connections";r={connections}')
        if not policies:
            return ()
        return (("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(left)))

    def seconds_until_request(self, block: str | None, now: float) -> int:
        """After how many seconds a client that was refused may try again."""
        if block is None or not self._limit_of(block).requests_per_second:
            return 1
        return max(ceil(self._find_allowance(block, now).seconds_until(1.0, now)), 1)

    def _find_allowance(self, block: str, now: float) -> Allowance:
        limit = self._limit_of(block)
        fresh = Allowance(limit.requests_per_second, limit.burst, now)
        found = self._allowances.pop(block, fresh)
        self._allowances[block] = found
        if len(self._allowances) > MOST_BLOCKS:
            del self._allowances[next(iter(self._allowances))]
        return found

    def _limit_of(self, block: str) -> ClientLimit:
        return self._limits.get(block, self._anonymous)


def _hash_key(key: str) -> bytes:
    """Looked up instead of the key, so that the time of that tells nothing of it."""
    return sha256(key.encode("latin-1", "replace")).digest()


def too_many_connections() -> RequestRefused:
    """More connections at once than an address may have."""
    return RequestRefused(
        429, "too_many_connections", "this client has as many connections as it may; see RateLimit"
    )
