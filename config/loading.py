"""Loading: the layers become typed settings, or all their problems at once.

    layers (config/layers.py)  ->  load_settings  ->  Settings, or SettingsInvalid

All problems are reported at once, a line each.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from config.conversion import convert_value, describe_problem, make_printable
from config.layers import read_layers
from config.settings import GatewaySettings, HotScoreSettings, PostgresSettings, Settings
from config.webhooks import find_webhook_problem
from domain.errors import SettingsInvalid

SAME_PORT = "must be another port than gateway.port"
Section = TypeVar("Section")
NO_HOLDER_RPC = 'provider "rpc" needs an address here, or in ingest.chain_rpc_url'


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
    if settings.gateway.ops_port and settings.gateway.ops_port == settings.gateway.port:
        _, where = raw["gateway", "ops_port"]
        raise SettingsInvalid([f"gateway.ops_port: {SAME_PORT} ({where})"])
    alerts = settings.alerts
    problem = find_webhook_problem(
        alerts.endpoints, alerts.secrets, allow_loopback=alerts.allow_loopback
    )
    if problem is not None:
        raise SettingsInvalid([problem])
    return settings


def load_gateway_settings(file: Path | None, environment: Mapping[str, str]) -> GatewaySettings:
    """Where a service of these layers listens, for who wants to ask it and has no stores."""
    return _load_section("gateway", GatewaySettings, file, environment)


def load_store_settings(
    file: Path | None, environment: Mapping[str, str]
) -> tuple[PostgresSettings, float]:
    """A service's Postgres and the half-life of its scores, for who needs nothing else of it."""
    postgres = _load_section("postgres", PostgresSettings, file, environment)
    hot_score = _load_section("hot_score", HotScoreSettings, file, environment)
    return postgres, hot_score.half_life_seconds


def _load_section(
    name: str, kind: type[Section], file: Path | None, environment: Mapping[str, str]
) -> Section:
    """One section of the layers; `SettingsInvalid` if it, or a whole layer, cannot be used."""
    problems: list[str] = []
    raw = read_layers(file, environment, problems)
    values = {setting: given for (section, setting), given in raw.items() if section == name}
    loaded = _section(name, kind, values, problems)
    if not isinstance(loaded, kind) or problems:
        raise SettingsInvalid(sorted(problems))
    return loaded


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
