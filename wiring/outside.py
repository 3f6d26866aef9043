"""What the jobs' providers are made of; made once, and connected to nothing yet."""

from attrs import frozen

from images import ThumbnailCache
from sources.providers import Upstreams
from sources.rpc import JsonRpc


@frozen(kw_only=True)
class Outside:
    """What is shared by all who ask the world."""

    upstreams: Upstreams
    images: ThumbnailCache
    chain_rpc: JsonRpc | None  # None: no RPC server is known
