"""Which provider answers which look-up: chosen by the settings, connected at the first request.

    Settings, HTTP client -> Upstreams -> the providers of each job

Jupiter counts the requests of all its endpoints together, so there is one limiter for all of
them, with a lane for each: the price of SOL waits for one search at most, and a search for one
price.
"""

import httpx
from attrs import define, field

from config.settings import Settings
from sources import HolderProvider, MarketProviders
from sources.dexscreener import DexScreener
from sources.holders import JupiterHolders, RpcHolders
from sources.http import JsonHttp
from sources.rates import Lane, RateLimiter
from sources.refusals import LastingRefusal
from sources.rpc import JsonRpc
from sources.sol_price import COINGECKO_PATH, PYTH_PATH, JupiterSolPrice

SOL_PRICE_REQUESTS_PER_MINUTE = 6.0  # of each but Jupiter; CoinGecko allows some more without a key
# Jupiter's 429 names the end of its window, but not always; asking on prolongs the refusal.
JUPITER_PAUSE_SECONDS = 10.0


@define
class Upstreams:
    """What the providers of several jobs share: the HTTP client, and Jupiter's limiter."""

    settings: Settings
    client: httpx.AsyncClient
    jupiter_limiter: RateLimiter = field(init=False)

    @jupiter_limiter.default
    def _new_jupiter_limiter(self) -> RateLimiter:
        return RateLimiter(
            per_minute=self.settings.jupiter.requests_per_minute,
            unsaid_pause_seconds=JUPITER_PAUSE_SECONDS,
            waits_for_pause=False,
        )

    def connect_jupiter(self) -> JsonHttp:
        """A way to Jupiter with a lane of its own; the key goes into a header, never into logs."""
        jupiter = self.settings.jupiter
        return JsonHttp(
            client=self.client,
            timeout_seconds=jupiter.timeout_seconds,
            limiter=Lane(limiter=self.jupiter_limiter),
            headers={"x-api-key": jupiter.api_key} if jupiter.api_key else {},
        )


def connect_market_providers(upstreams: Upstreams) -> MarketProviders:
    """Whom market data asks."""
    market = upstreams.settings.market_data
    http = new_json_http(upstreams.client, market.timeout_seconds, market.requests_per_minute)
    return MarketProviders(
        quotes=DexScreener(url=market.url, http=http) if market.url else None,
        sol_price=connect_sol_price(upstreams),
        sol_price_fallbacks=connect_fallbacks(upstreams),
    )


def connect_sol_price(upstreams: Upstreams) -> JupiterSolPrice | None:
    """The provider that is asked first: the one of the settings, else Jupiter."""
    sol, jupiter = upstreams.settings.sol_price, upstreams.settings.jupiter
    if sol.url:
        http = _connect_sol(upstreams)
        return JupiterSolPrice(url=sol.url, http=http)
    if jupiter.url:
        return JupiterSolPrice(
            url=jupiter.url,
            http=upstreams.connect_jupiter(),
            name="jupiter",
            refusal=new_jupiter_refusal(upstreams.settings),
        )
    return None


def connect_fallbacks(upstreams: Upstreams) -> list[JupiterSolPrice]:
    """Pyth, then CoinGecko; none where the settings name a provider, or switch Jupiter off."""
    sol, jupiter = upstreams.settings.sol_price, upstreams.settings.jupiter
    fallbacks: list[JupiterSolPrice] = []
    if sol.url or not jupiter.url:
        return fallbacks
    if sol.pyth_url:
        fallbacks.append(
            JupiterSolPrice(
                url=sol.pyth_url,
                http=_connect_sol(upstreams, sol.pyth_api_key),
                name="pyth",
                path=PYTH_PATH,
                refusal=LastingRefusal(
                    url_setting="sol_price.pyth_url",
                    key_setting="sol_price.pyth_api_key",
                    has_key=bool(sol.pyth_api_key),
                ),
            )
        )
    if sol.coingecko_url:
        fallbacks.append(
            JupiterSolPrice(
                url=sol.coingecko_url,
                http=_connect_sol(upstreams),
                name="coingecko",
                path=COINGECKO_PATH,
                refusal=LastingRefusal(url_setting="sol_price.coingecko_url"),
            )
        )
    return fallbacks


def _connect_sol(upstreams: Upstreams, bearer: str = "") -> JsonHttp:
    return JsonHttp(
        client=upstreams.client,
        timeout_seconds=upstreams.settings.sol_price.timeout_seconds,
        limiter=RateLimiter(per_minute=SOL_PRICE_REQUESTS_PER_MINUTE, waits_for_pause=False),
        headers={"authorization": f"Bearer {bearer}"} if bearer else {},
    )


def connect_holder_provider(upstreams: Upstreams) -> HolderProvider | None:
    """Who counts holders; None if nobody is to."""
    chosen, jupiter = upstreams.settings.holder_count, upstreams.settings.jupiter
    if chosen.provider == "jupiter" and jupiter.url:
        return JupiterHolders(
            url=jupiter.url,
            http=upstreams.connect_jupiter(),
            refusal=new_jupiter_refusal(upstreams.settings),
        )
    if chosen.provider == "rpc":
        http = new_json_http(upstreams.client, chosen.timeout_seconds, chosen.requests_per_minute)
        return RpcHolders(rpc=JsonRpc(url=upstreams.settings.holder_rpc_url, http=http))
    return None


def new_jupiter_refusal(settings: Settings) -> LastingRefusal:
    """What Jupiter's refusals mean with these settings."""
    return LastingRefusal(
        url_setting="jupiter.url",
        key_setting="jupiter.api_key",
        has_key=bool(settings.jupiter.api_key),
    )


def new_json_http(
    client: httpx.AsyncClient, timeout_seconds: float, requests_per_minute: float
) -> JsonHttp:
    """A way to one provider, with a rate of its own."""
    limiter = RateLimiter(per_minute=requests_per_minute)
    return JsonHttp(client=client, timeout_seconds=timeout_seconds, limiter=limiter)
