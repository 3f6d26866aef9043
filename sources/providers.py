"""Which provider answers which look-up: chosen by the settings, connected at the first request."""

import httpx

from config.settings import Settings
from sources import HolderProvider, MarketProviders
from sources.dexscreener import DexScreener
from sources.holders import JupiterHolders, RpcHolders
from sources.http import JsonHttp, RateLimiter
from sources.rpc import JsonRpc
from sources.sol_price import JupiterSolPrice

SOL_PRICE_REQUESTS_PER_MINUTE = 30.0  # what Jupiter allows without a key


def connect_market_providers(settings: Settings, client: httpx.AsyncClient) -> MarketProviders:
    """Whom market data asks."""
    market, sol = settings.market_data, settings.sol_price
    http = new_json_http(client, market.timeout_seconds, market.requests_per_minute)
    sol_url = sol.url or settings.jupiter.url
    sol_http = new_json_http(client, sol.timeout_seconds, SOL_PRICE_REQUESTS_PER_MINUTE)
    return MarketProviders(
        quotes=DexScreener(url=market.url, http=http) if market.url else None,
        sol_price=JupiterSolPrice(url=sol_url, http=sol_http) if sol_url else None,
    )


def connect_holder_provider(settings: Settings, client: httpx.AsyncClient) -> HolderProvider | None:
    """Who counts holders; None if nobody is to."""
    chosen, jupiter = settings.holder_count, settings.jupiter
    http = new_json_http(client, chosen.timeout_seconds, chosen.requests_per_minute)
    match chosen.provider:
        case "jupiter":
            http = new_json_http(client, jupiter.timeout_seconds, jupiter.requests_per_minute)
            return JupiterHolders(url=jupiter.url, http=http)
        case "rpc":
            return RpcHolders(
                rpc=JsonRpc(url=chosen.url or settings.ingest.chain_rpc_url, http=http)
            )
        case _:
            return None


def connect_nobody(_settings: Settings, _client: httpx.AsyncClient) -> None:
    """For a job that asks nobody."""


def new_json_http(
    client: httpx.AsyncClient, timeout_seconds: float, requests_per_minute: float
) -> JsonHttp:
    """A way to one provider, with a rate of its own."""
    limiter = RateLimiter(per_minute=requests_per_minute)
    return JsonHttp(client=client, timeout_seconds=timeout_seconds, limiter=limiter)
