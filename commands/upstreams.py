"""Which upstreams the settings name, and what doctor finds when it asks each of them once.

    Settings -> list_upstreams -> Upstream ... all asked at the same time -> a finding each

An upstream that is away is no failure: the service runs without it, and the finding says what is
missing then.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from math import inf

import httpx
import trio
from attrs import evolve, frozen

from commands.advice import Finding, Gravity
from config.redaction import redact_text
from config.settings import Settings
from config.web_address import find_http_address, show_web_address
from domain.errors import RateLimited, SourceClosed, SourceUnavailable
from domain.values import WRAPPED_SOL
from sources import HolderProvider, QuoteProvider, SolPriceProvider
from sources.dexscreener import DexScreener
from sources.holders import JupiterHolders
from sources.http import JsonHttp, new_http_client
from sources.probes import SUBSCRIPTION_ID, probe_gateway, probe_rpc, probe_stream
from sources.providers import (
    Upstreams,
    connect_fallbacks,
    connect_sol_price,
    new_json_http,
    new_jupiter_refusal,
)
from sources.pumpportal import add_key
from sources.rates import RateLimiter
from sources.raydium_logs import RAYDIUM_AMM_V4
from sources.refusals import LastingRefusal
from sources.rpc import JsonRpc

PROBE_SECONDS = 10.0  # for one upstream; all are asked at the same time
BUSY_SECONDS = 1.0  # to find out whether the service runs here
PUMP_PROGRAM = "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P"
ONE_CONNECTION = "allows one connection a client"


@frozen(kw_only=True)
class Upstream:
    """One upstream, how it is asked, and what is missing while it is away."""

    name: str
    url: str  # empty: switched off
    setting: str  # where its address stands
    missing: str  # without it
    probe: Callable[[], Awaitable[str]]
    refusal: LastingRefusal
    key_note: str = ""  # what a key would change
    is_exclusive: bool = False  # a second connection, beside the service's, may be punished


async def ask_upstreams(settings: Settings) -> list[Finding]:
    """A finding on each upstream, in the order in which the settings name them."""
    findings: dict[str, Finding] = {}
    async with new_http_client() as client:
        upstreams = list(list_upstreams(settings, client))
        is_running = await _is_taken(settings)

        async def ask(upstream: Upstream) -> None:
            findings[upstream.name] = await _ask(upstream, is_running=is_running)

        async with trio.open_nursery() as nursery:
            for upstream in upstreams:
                nursery.start_soon(ask, upstream)
    return [findings[each.name] for each in upstreams]


async def _ask(upstream: Upstream, *, is_running: bool) -> Finding:
    without = f"without it: {upstream.missing}"
    if not upstream.url:
        return _find(upstream, Gravity.OFF, f"off ({upstream.setting} is empty); {without}")
    if upstream.is_exclusive and is_running:
        says = f"not asked: the service seems to run here, and this upstream {ONE_CONNECTION}"
        return _find(upstream, Gravity.OFF, says)
    began_at = trio.current_time()
    try:
        with trio.fail_after(PROBE_SECONDS):
            remark = await upstream.probe()
    except (trio.TooSlowError, SourceUnavailable) as error:
        return _find(upstream, Gravity.ADVICE, f"{_explain(upstream, error)}; {without}")
    seconds = trio.current_time() - began_at
    notes = [f"answers in {seconds:.2f} s", *filter(None, [remark, upstream.key_note])]
    return _find(upstream, Gravity.FINE, "; ".join(notes))


def _explain(upstream: Upstream, error: Exception) -> str:
    match error:
        case SourceClosed():
            return upstream.refusal.explain(error)
        case RateLimited():
            return f"it answers, but that it is asked too often now ({error})"
        case trio.TooSlowError():
            return f"no answer in {PROBE_SECONDS:g} s"
        case _:
            return str(error)


def _find(upstream: Upstream, gravity: Gravity, says: str) -> Finding:
    host = show_web_address(upstream.url).partition("://")[2].partition("/")[0]
    where = f"{host}: " if host and host not in says else ""
    return Finding(gravity=gravity, subject=upstream.name, says=redact_text(where + says))


async def _is_taken(settings: Settings) -> bool:
    """Whether somebody listens where the service would."""
    gateway = settings.gateway
    host = {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(gateway.host, gateway.host)  # noqa: S104
    with trio.move_on_after(BUSY_SECONDS):
        try:
            await trio.aclose_forcefully(await trio.open_tcp_stream(host, gateway.port))
        except OSError:
            return False
        return True
    return False


# The list.


def list_upstreams(settings: Settings, client: httpx.AsyncClient) -> Iterator[Upstream]:
    """Every upstream that the settings could name, also those that are switched off."""
    yield from _list_streams(settings)
    yield from _list_rpc_servers(settings, client)
    yield from _list_providers(settings, client)
    if settings.metadata.enabled:
        for prefix in settings.metadata.gateways.split():
            yield Upstream(
                name=f"ipfs {httpx.URL(prefix).host}",
                url=prefix,
                setting="metadata.gateways",
                missing="pictures and links of coins come from the other gateways, or not at all",
                probe=partial(probe_gateway, client, prefix),
                refusal=LastingRefusal(url_setting="metadata.gateways"),
            )


def _list_streams(settings: Settings) -> Iterator[Upstream]:
    ingest = settings.ingest
    yield Upstream(
        name="pumpportal",
        url=ingest.url,
        setting="ingest.url",
        missing="births and graduations come from the other streams only",
        probe=partial(
            probe_stream, add_key(ingest.url, ingest.api_key), {"method": "subscribeNewToken"}
        ),
        refusal=LastingRefusal(
            url_setting="ingest.url",
            key_setting="ingest.api_key",
            has_key=bool(ingest.api_key),
        ),
        key_note="" if ingest.api_key else "without a key (ingest.api_key) it tells no trades",
        is_exclusive=True,
    )
    yield Upstream(
        name="pumpapi",
        url=ingest.pumpapi_url,
        setting="ingest.pumpapi_url",
        missing="trades of all launch-pads, with their times, come from the other streams only",
        probe=partial(probe_stream, ingest.pumpapi_url),
        refusal=LastingRefusal(url_setting="ingest.pumpapi_url"),
        is_exclusive=True,
    )
    for name, setting, url, program, missing in (
        (
            "chain",
            "ingest.chain_url",
            ingest.chain_url,
            PUMP_PROGRAM,
            "slots, the chain's own time and the addresses of pools come from other streams only",
        ),
        (
            "solana-pools",
            "ingest.pools_url",
            ingest.pools_url,
            RAYDIUM_AMM_V4,
            "new pools on Raydium are found by market data only",
        ),
    ):
        yield Upstream(
            name=name,
            url=url,
            setting=setting,
            missing=missing,
            probe=partial(probe_stream, url, _subscribe_to_logs(program)),
            refusal=LastingRefusal(url_setting=setting),
        )


def _subscribe_to_logs(program: str) -> dict[str, object]:
    parameters = [{"mentions": [program]}, {"commitment": "confirmed"}]
    return {
        "jsonrpc": "2.0",
        "id": SUBSCRIPTION_ID,
        "method": "logsSubscribe",
        "params": parameters,
    }


def _list_rpc_servers(settings: Settings, client: httpx.AsyncClient) -> Iterator[Upstream]:
    ingest = settings.ingest
    wanted = [
        (
            "chain rpc",
            "ingest.chain_rpc_url",
            ingest.chain_rpc_url or find_http_address(ingest.chain_url),
            "what a gap of the chain's stream has hidden stays hidden, and mints tell no safety",
        )
    ]
    if ingest.pools_url:
        url = ingest.pools_rpc_url or find_http_address(ingest.pools_url)
        wanted.append(("pools rpc", "ingest.pools_rpc_url", url, "no new pool can be looked up"))
    if settings.holder_count.provider == "rpc":
        url = settings.holder_rpc_url
        wanted.append(("holders rpc", "holder_count.url", url, "holders are not counted"))
    seen: set[str] = set()
    for name, setting, url, missing in wanted:
        if url not in seen:
            seen.add(url)
            http = new_json_http(client, PROBE_SECONDS, inf)
            yield Upstream(
                name=name,
                url=url,
                setting=setting,
                missing=missing,
                probe=partial(probe_rpc, JsonRpc(url=url, http=http)),
                refusal=LastingRefusal(url_setting=setting),
            )


def _list_providers(settings: Settings, client: httpx.AsyncClient) -> Iterator[Upstream]:
    market, jupiter = settings.market_data, settings.jupiter
    http = new_json_http(client, PROBE_SECONDS, inf)
    quotes = DexScreener(url=market.url, http=http)
    yield Upstream(
        name="dexscreener",
        url=market.url,
        setting="market_data.url",
        missing="prices, liquidity and volumes of tokens that no stream tells of are not known",
        probe=partial(_ask_quotes, quotes),
        refusal=quotes.refusal,
    )
    holders = JupiterHolders(
        url=jupiter.url,
        http=_hurry(Upstreams(settings, client).connect_jupiter()),
        refusal=new_jupiter_refusal(settings),
    )
    free = "without a key 30 requests a minute; a free one (jupiter.api_key) allows 60"
    yield Upstream(
        name="jupiter tokens",
        url=jupiter.url,
        setting="jupiter.url",
        missing="holders, safety, developers and scores are not known",
        probe=partial(_ask_holders, holders),
        refusal=holders.refusal,
        key_note="" if jupiter.api_key else free,
    )
    yield from _list_sol_prices(settings, client)


def _list_sol_prices(settings: Settings, client: httpx.AsyncClient) -> Iterator[Upstream]:
    sol, jupiter = settings.sol_price, settings.jupiter
    upstreams = Upstreams(settings, client)
    first = connect_sol_price(upstreams)
    others = "the price of SOL comes from the other sources, and from pairs"
    addresses = {
        "sol-price": ("sol_price.url", sol.url, "the price of SOL comes from pairs only"),
        "jupiter": ("jupiter.url", jupiter.url, others),
        "pyth": ("sol_price.pyth_url", sol.pyth_url, others),
        "coingecko": ("sol_price.coingecko_url", sol.coingecko_url, others),
    }
    for provider in (*([] if first is None else [first]), *connect_fallbacks(upstreams)):
        setting, url, missing = addresses[provider.name]
        yield Upstream(
            name=provider.name if provider.name == "sol-price" else f"{provider.name} price",
            url=url,
            setting=setting,
            missing=missing,
            probe=partial(_ask_price, evolve(provider, http=_hurry(provider.http))),
            refusal=provider.refusal,
        )


def _hurry(http: JsonHttp) -> JsonHttp:
    """The same way without a wait for its turn: two requests are no crowd."""
    return evolve(http, timeout_seconds=PROBE_SECONDS, limiter=RateLimiter(per_minute=inf))


async def _ask_quotes(provider: QuoteProvider) -> str:
    await provider.fetch_quotes([WRAPPED_SOL])
    return ""


async def _ask_holders(provider: HolderProvider) -> str:
    await provider.fetch_holders([WRAPPED_SOL])
    return ""


async def _ask_price(provider: SolPriceProvider) -> str:
    return f"SOL is worth {await provider.fetch_sol_usd():.2f} dollars"
