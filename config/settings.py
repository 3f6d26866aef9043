"""Settings: typed, frozen, validated together.

    layers (config/layers.py)  ->  load_settings  ->  Settings, or SettingsInvalid

default.toml holds every default and meaning; this module holds types and bounds. All problems are
reported at once, a line each.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen
from attrs.validators import ge, in_, le

from config.conversion import convert_value, describe_problem, make_printable
from config.layers import read_layers
from config.listening import listening_host
from config.postgres_url import parse_postgres_url
from config.redis_url import parse_redis_url
from config.web_address import (
    VISIBLE,
    find_http_address,
    require_web_address,
    show_web_address,
    without_credentials,
)
from config.web_lists import list_of_bases, list_of_origins
from domain.errors import SettingsInvalid

NO_HOLDER_RPC = 'provider "rpc" needs an address here, or in ingest.chain_rpc_url'


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
    board_tokens: int = field(validator=[ge(1), le(1000)])
    delta_interval_seconds: float = _seconds()
    delta_history: int = field(validator=[ge(1), le(1_000_000)])
    client_queue_bytes: int = field(validator=[ge(1024), le(1 << 30)])
    send_timeout_seconds: float = _seconds()
    request_timeout_seconds: float = _seconds()
    control_token: str = _secret()


@frozen(kw_only=True)
class SupervisionSettings:
    restarts: int = field(validator=[ge(0), le(1_000_000)])
    restart_window_seconds: float = _seconds()
    backoff_seconds: float = _seconds()
    backoff_longest_seconds: float = _seconds()
    crashes_before_quarantine: int = _count()


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
    supervision: SupervisionSettings
    shutdown: ShutdownSettings
    logging: LoggingSettings

    @property
    def holder_rpc_url(self) -> str:
        """Where holders are counted over JSON-RPC; empty: nowhere."""
        ingest = self.ingest
        chain_rpc_url = ingest.chain_rpc_url or find_http_address(ingest.chain_url)
        return self.holder_count.url or chain_rpc_url


def load_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings of all layers; `SettingsInvalid` lists every problem there is."""
    problems: list[str] = []
    raw = read_layers(file, environment, problems)
    sections: dict[str, Any] = {}
    for attribute in attrs.fields(Settings):
        values = {
            name: given for (section, name), given in raw.items() if section == attribute.name
        }
        sections[attribute.name] = _section(attribute.name, attribute.type, values, problems)
    known = {(section, setting.name) for section, setting in _every_setting()}
    problems += [
        f"{make_printable(f'{section}.{name}')}: no such setting ({where})"
        for (section, name), (_, where) in raw.items()
        if (section, name) not in known
    ]
    if problems:
        raise SettingsInvalid(sorted(problems))
    settings = Settings(**sections)
    if settings.holder_count.provider == "rpc" and not settings.holder_rpc_url:
        _, where = raw["holder_count", "provider"]
        raise SettingsInvalid([f"holder_count.url: {NO_HOLDER_RPC} ({where})"])
    return settings


def load_gateway_settings(file: Path | None, environment: Mapping[str, str]) -> GatewaySettings:
    """Where a service of these layers listens, for who wants to ask it and has no stores."""
    problems: list[str] = []
    raw = read_layers(file, environment, problems)
    values = {name: given for (section, name), given in raw.items() if section == "gateway"}
    gateway = _section("gateway", GatewaySettings, values, problems)
    if not isinstance(gateway, GatewaySettings) or problems:
        raise SettingsInvalid(sorted(problems))
    return gateway


def changed_names(old: Settings, new: Settings) -> tuple[list[str], list[str]]:
    """Names that differ: those that can change while the service runs, and those that cannot."""
    changed = [
        (f"{section}.{setting.name}", setting.metadata.get("reloadable", False))
        for section, setting in _every_setting()
        if _value(old, section, setting.name) != _value(new, section, setting.name)
    ]
    return [name for name, free in changed if free], [name for name, free in changed if not free]


def reloaded(old: Settings, new: Settings) -> Settings:
    """`old`, with what of `new` can change while the service runs."""
    sections: dict[str, Any] = {}
    for section, setting in _every_setting():
        if setting.metadata.get("reloadable"):
            before = sections.get(section, getattr(old, section))
            value = _value(new, section, setting.name)
            sections[section] = attrs.evolve(before, **{setting.name: value})
    return attrs.evolve(old, **sections)


def _value(settings: Settings, section: str, name: str) -> object:
    return getattr(getattr(settings, section), name)


def _every_setting() -> Iterator[tuple[str, "attrs.Attribute[Any]"]]:
    for section in attrs.fields(Settings):
        section_type: Any = section.type
        for setting in attrs.fields(section_type):
            yield section.name, setting


def _section(
    section: str,
    section_type: Any,
    values: Mapping[str, tuple[object, str]],
    problems: list[str],
) -> object:
    """The section, or None when one of its values is in `problems` now."""
    converted: dict[str, object] = {}
    before = len(problems)
    for setting in attrs.fields(section_type):
        value, where = values[setting.name]
        try:
            converted[setting.name] = checked = convert_value(value, setting.type)
            if setting.validator:
                setting.validator(None, setting, checked)
        except (ValueError, TypeError) as error:
            reason = describe_problem(error, setting, value)
            problems.append(f"{section}.{setting.name}: {reason} ({where})")
    return section_type(**converted) if len(problems) == before else None
