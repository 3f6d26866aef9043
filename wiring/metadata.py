"""Whom the metadata job asks, and where it puts pictures: put together from three rooms.

Settings, cache of images, the chain's RPC server -> MetadataSources
"""

from actors.jobs.metadata import MetadataSources
from config.settings import MetadataSettings, Settings
from images import ThumbnailCache
from images.thumbnails import PillowWorker
from sources.guarded import GuardedHttp, read_origins
from sources.metadata_fetching import MetadataWeb
from sources.mint_accounts import MintAccounts
from sources.rpc import JsonRpc


def connect_metadata(
    settings: Settings, cache: ThumbnailCache, chain_rpc: JsonRpc | None
) -> MetadataSources:
    """Nothing is connected, and no process started, before the first fetch."""
    return MetadataSources(
        web=_connect_web(settings.metadata) if settings.metadata.enabled else None,
        mints=MintAccounts(rpc=chain_rpc) if chain_rpc else None,
        maker=PillowWorker(),
        cache=cache,
    )


def _connect_web(metadata: MetadataSettings) -> MetadataWeb:
    http = GuardedHttp(
        timeout_seconds=metadata.timeout_seconds,
        trusted_origins=read_origins(metadata.trusted_origins),
    )
    gateways = tuple(f"{each.rstrip('/')}/" for each in metadata.gateways.split())
    return MetadataWeb(http=http, gateways=gateways)
