"""Settings: typed and frozen; one class a section.

default.toml holds every default and meaning; this module holds types and bounds; config/loading.py
makes the one from the other.
"""

from typing import Any

from attrs import field, frozen
from attrs.validators import ge, in_, le

from config.api_keys import list_of_api_keys
from config.link_list import list_of_links
from config.listening import listening_host
from config.networks import list_of_networks
from config.postgres_url import parse_postgres_url
from config.redis_url import parse_redis_url
from config.table_name import parse_table_name
from config.web_address import (
    VISIBLE,
    find_http_address,
    require_web_address,
    show_web_address,
    without_credentials,
)
from config.web_lists import list_of_bases, list_of_browser_origins, list_of_origins
from config.webhooks import list_of_webhook_secrets, list_of_webhooks


def _web_address(*schemes: str, with_query: bool = True) -> Any:
    """The address of a provider, or empty: do without it."""

    def is_understood(_instance: object, _setting: object, url: str) -> None:
        if url:
            require_web_address(url, schemes, with_query=with_query)

    return field(validator=is_understood, repr=show_web_address)


def _secret() -> Any:
    def is_visible(_instance: object, _setting: object, secret: str) -> None:
        if not VISIBLE.fullmatch(secret):
            raise ValueError("must be ASCII characters without spaces")

    return field(validator=is_visible, repr=False)


def _postgres_address() -> Any:
    def is_understood(_instance: object, _setting: object, url: str) -> None:
        parse_postgres_url(url)

    return field(validator=is_understood, repr=without_credentials)


def _listening_host() -> Any:
    def is_understood(_instance: object, _setting: object, host: str) -> None:
        listening_host(host)

    return field(validator=is_understood, converter=listening_host)


def _redis_address() -> Any:
    def is_understood(_instance: object, _setting: object, url: str) -> None:
        parse_redis_url(url)

    return field(validator=is_understood, repr=without_credentials)


def _table_name() -> Any:
    """A table of others, or empty: none."""

    def is_understood(_instance: object, _setting: object, name: str) -> None:
        if name:
            parse_table_name(name)

    return field(validator=is_understood)


def _seconds() -> Any:
    return field(validator=[ge(0.001), le(10_000_000.0)])


def _requests_per_minute() -> Any:
    return field(validator=[ge(0.01), le(1_000_000.0)])


def _count() -> Any:
    return field(validator=[ge(1), le(100_000_000)])


@frozen(kw_only=True)
class PostgresSettings:
    url: str = _postgres_address()
    connect_timeout_seconds: float = _seconds()
    statement_timeout_seconds: float = _seconds()
    stats_logged: bool = field()
    dead_band_percent: float = field(validator=[ge(0), le(100)])
    cold_days: int = field(validator=[ge(1), le(3650)])
    status_words: str = field(validator=in_(("NEW", "LAUNCHING")))
    hot_score_form: str = field(validator=in_(("raw", "hundred")))


@frozen(kw_only=True)
class RedisSettings:
    url: str = _redis_address()
    timeout_seconds: float = _seconds()


@frozen(kw_only=True)
class StartSettings:
    deadline_seconds: float = _seconds()


@frozen(kw_only=True)
class IngestSettings:
    url: str = _web_address("wss", "ws")
    api_key: str = _secret()
    pumpapi_url: str = _web_address("wss", "ws")
    chain_url: str = _web_address("wss", "ws")
    chain_rpc_url: str = _web_address("https", "http")
    chain_requests_per_minute: float = _requests_per_minute()
    pools_url: str = _web_address("wss", "ws")
    pools_rpc_url: str = _web_address("https", "http")
    pools_timeout_seconds: float = _seconds()
    commit_delay_seconds: float = field(validator=[ge(0), le(10)])
    commit_tokens: int = field(validator=[ge(1), le(10_000)])
    commit_timeout_seconds: float = _seconds()
    silence_seconds: float = _seconds()
    reconnect_seconds: float = _seconds()
    reconnect_longest_seconds: float = _seconds()
    trade_subscriptions: int = field(validator=[ge(0), le(100_000)])
    recent_mints: int = _count()
    recalled_tokens: int = _count()


@frozen(kw_only=True)
class MarketDataSettings:
    url: str = _web_address("https", "http", with_query=False)
    interval_seconds: float = _seconds()
    tokens: int = _count()
    requests_per_minute: float = _requests_per_minute()
    timeout_seconds: float = _seconds()


@frozen(kw_only=True)
class JupiterSettings:
    url: str = _web_address("https", "http", with_query=False)
    api_key: str = _secret()
    requests_per_minute: float = _requests_per_minute()
    timeout_seconds: float = _seconds()


@frozen(kw_only=True)
class HolderCountSettings:
    provider: str = field(validator=in_(("jupiter", "rpc", "off")))
    url: str = _web_address("https", "http")
    interval_seconds: float = _seconds()
    tokens: int = _count()
    requests_per_minute: float = _requests_per_minute()
    timeout_seconds: float = _seconds()


@frozen(kw_only=True)
class SolPriceSettings:
    url: str = _web_address("https", "http")
    pyth_url: str = _web_address("https", "http")
    pyth_api_key: str = _secret()
    coingecko_url: str = _web_address("https", "http")
    interval_seconds: float = _seconds()
    timeout_seconds: float = _seconds()


@frozen(kw_only=True)
class MetadataSettings:
    enabled: bool = field()
    gateways: str = list_of_bases()
    trusted_origins: str = list_of_origins()
    timeout_seconds: float = _seconds()
    concurrency: int = field(validator=[ge(1), le(1000)])
    interval_seconds: float = _seconds()
    tokens: int = _count()


@frozen(kw_only=True)
class ImagesSettings:
    directory: str = field()
    cache_bytes: int = field(validator=[ge(1), le(10**12)])


@frozen(kw_only=True)
class TradingSettings:
    publish_seconds: float = _seconds()
    wash_share: float = field(validator=[ge(0.01), le(1.0)])
    candle_days: int = field(validator=[ge(1), le(365)])
    trades: int = field(validator=[ge(1), le(10_000)])


@frozen(kw_only=True)
class HotScoreSettings:
    interval_seconds: float = _seconds()
    tokens: int = _count()
    half_life_seconds: float = _seconds()


@frozen(kw_only=True)
class ActivitySettings:
    idle_after_seconds: float = _seconds()
    watchers_interval_seconds: float = _seconds()
    external_keys: bool = field()
    watch_table: str = _table_name()


@frozen(kw_only=True)
class SyncSettings:
    interval_seconds: float = _seconds()
    batch_rows: int = field(validator=[ge(1), le(100_000)])
    append_updates: int = field(validator=[ge(1), le(100_000)])
    park_seconds: float = _seconds()
    wal_budget_bytes_per_second: float = field(
        validator=[ge(1), le(10**12)], metadata={"reloadable": True}
    )
    rows_budget_per_hour: float = field(
        validator=[ge(1), le(10**12)], metadata={"reloadable": True}
    )
    profile_rows_per_hour: float = field(validator=[ge(1), le(10**12)])


@frozen(kw_only=True)
class StalenessSettings:
    """By group of fields, named as `domain.token.Group`."""

    lifecycle_seconds: float = _seconds()
    market_seconds: float = _seconds()
    holders_seconds: float = _seconds()
    score_seconds: float = _seconds()
    watchers_seconds: float = _seconds()
    profile_seconds: float = _seconds()


@frozen(kw_only=True)
class TrackingSettings:
    tokens: int = _count()


@frozen(kw_only=True)
class GatewaySettings:
    host: str = _listening_host()
    port: int = field(validator=[ge(0), le(65535)])
    clients: int = _count()
    clients_per_address: int = field(validator=[ge(0), le(100_000_000)])
    requests_per_second_per_address: float = field(validator=[ge(0), le(1_000_000)])
    trusted_proxies: str = list_of_networks()
    unlimited_addresses: str = list_of_networks()
    board_tokens: int = field(validator=[ge(1), le(1000)])
    views: int = field(validator=[ge(0), le(1000)])
    delta_interval_seconds: float = _seconds()
    delta_history: int = field(validator=[ge(1), le(1_000_000)])
    client_queue_bytes: int = field(validator=[ge(1024), le(1 << 30)])
    send_timeout_seconds: float = _seconds()
    request_timeout_seconds: float = _seconds()
    links: str = list_of_links()
    allowed_origins: str = list_of_browser_origins()
    api_keys: str = list_of_api_keys()
    control_token: str = _secret()
    ops_port: int = field(validator=[ge(0), le(65535)])

    @property
    def operators_port(self) -> int:
        """Where operators ask."""
        return self.ops_port or self.port


@frozen(kw_only=True)
class AlertsSettings:
    endpoints: str = list_of_webhooks()
    secrets: str = list_of_webhook_secrets()
    rules: str = field()  # as feed/alert_rules.py reads them
    allow_loopback: bool = field()
    keep_active: bool = field()
    interval_seconds: float = _seconds()
    cool_down_seconds: float = field(validator=[ge(0), le(86_400)])
    waiting_alerts: int = field(validator=[ge(1), le(100_000)])
    timeout_seconds: float = _seconds()
    retry_seconds: float = _seconds()
    retry_longest_seconds: float = _seconds()
    give_up_after_seconds: float = _seconds()
    degraded_after_seconds: float = _seconds()


@frozen(kw_only=True)
class SupervisionSettings:
    restarts: int = field(validator=[ge(0), le(1_000_000)])
    restart_window_seconds: float = _seconds()
    backoff_seconds: float = _seconds()
    backoff_longest_seconds: float = _seconds()
    crashes_before_quarantine: int = _count()
    stall_limit_seconds: float = field(validator=[ge(0), le(86_400)])


@frozen(kw_only=True)
class ShutdownSettings:
    deadline_seconds: float = _seconds()


@frozen(kw_only=True)
class LoggingSettings:
    level: str = field(
        validator=in_(("debug", "info", "warning", "error")), metadata={"reloadable": True}
    )
    format: str = field(validator=in_(("json", "console")))
    dump_directory: str = field()


@frozen(kw_only=True)
class Settings:
    """Everything that can be set; the sections and names of default.toml."""

    postgres: PostgresSettings
    redis: RedisSettings
    start: StartSettings
    ingest: IngestSettings
    market_data: MarketDataSettings
    jupiter: JupiterSettings
    holder_count: HolderCountSettings
    sol_price: SolPriceSettings
    metadata: MetadataSettings
    images: ImagesSettings
    trading: TradingSettings
    hot_score: HotScoreSettings
    activity: ActivitySettings
    sync: SyncSettings
    staleness: StalenessSettings
    tracking: TrackingSettings
    gateway: GatewaySettings
    alerts: AlertsSettings
    supervision: SupervisionSettings
    shutdown: ShutdownSettings
    logging: LoggingSettings

    @property
    def holder_rpc_url(self) -> str:
        """Where holders are counted over JSON-RPC; empty: nowhere."""
        ingest = self.ingest
        chain_rpc_url = ingest.chain_rpc_url or find_http_address(ingest.chain_url)
        return self.holder_count.url or chain_rpc_url
