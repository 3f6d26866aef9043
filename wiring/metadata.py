"""Whom the metadata job asks, and where it puts pictures: put together from three rooms.

Outside (settings, cache of images, the chain's RPC server) -> MetadataSources
"""

from actors.jobs.metadata import MetadataSources
from config.settings import MetadataSettings
from images.thumbnails import PillowWorker
from sources.guarded import GuardedHttp, read_origins
from sources.metadata_fetching import MetadataWeb
from sources.mint_accounts import MintAccounts
from wiring.outside import Outside


def connect_metadata(outside: Outside) -> MetadataSources:
    """Nothing is connected, and no process started, before the first fetch."""
    metadata, chain_rpc = outside.upstreams.settings.metadata, outside.chain_rpc
    return MetadataSources(
        web=_connect_web(metadata) if metadata.enabled else None,
        mints=MintAccounts(rpc=chain_rpc) if chain_rpc else None,
        maker=PillowWorker(),
        cache=outside.images,
    )


def _connect_web(metadata: MetadataSettings) -> MetadataWeb:
    http = GuardedHttp(
        timeout_seconds=metadata.timeout_seconds,
        trusted_origins=read_origins(metadata.trusted_origins),
    )
    gateways = tuple(f"{each.rstrip('/')}/" for each in metadata.gateways.split())
    return MetadataWeb(http=http, gateways=gateways)
