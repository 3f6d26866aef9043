"""Settings that are endpoints of webhooks and the secrets that sign for them.

texts of settings  ->  list_of_webhooks, list_of_webhook_secrets  ->  the same texts, each checked
                   ->  parse_webhooks, parse_webhook_secrets      ->  name and URL, name and key
                   ->  find_webhook_problem  ->  what is wrong with both of them together

    alerts.endpoints = "desk=https://hooks.example.com/a other=https://..."
    alerts.secrets = "desk=whsec_... other=whsec_..."

Source of the secrets' form: Standard Webhooks, "Signature scheme" (whsec_ and base64 of 24 to 64
bytes).
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from attrs import field

from config.redaction import SECRETS_WITHIN, secrets_in_address
from config.web_address import require_web_address, show_web_address

NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")
MOST_ENDPOINTS, MOST_SECRETS = 10, 30
PREFIX = "whsec_"
SHORTEST_KEY_BYTES, LONGEST_KEY_BYTES = 24, 64


def list_of_webhooks() -> Any:
    """A field for endpoints: NAME=URL, separated by white space; empty: none."""

    def are_understood(_instance: object, _setting: object, text: str) -> None:
        parse_webhooks(text)

    return field(
        validator=are_understood, repr=_show_webhooks, metadata={SECRETS_WITHIN: _list_url_secrets}
    )


def list_of_webhook_secrets() -> Any:
    """A field for secrets: NAME=whsec_..., separated by white space; a name may have several."""

    def are_understood(_instance: object, _setting: object, text: str) -> None:
        parse_webhook_secrets(text)

    return field(
        validator=are_understood, repr=False, metadata={SECRETS_WITHIN: _list_written_secrets}
    )


def parse_webhooks(text: str) -> dict[str, str]:
    """URLs by name; `ValueError`, which repeats none of them, for what is none."""
    pairs = [_split_word(word, place, "https://...") for place, word in _number_words(text)]
    urls = dict(pairs)
    if len(urls) < len(pairs):
        raise ValueError("must have another name each")
    if len(urls) > MOST_ENDPOINTS:
        raise ValueError(f"must be at most {MOST_ENDPOINTS}")
    for url in urls.values():
        require_web_address(url, ("https", "http"), with_query=True)
    return urls


def parse_webhook_secrets(text: str) -> dict[str, list[bytes]]:
    """The keys that sign, by the name of their endpoint; `ValueError` likewise."""
    keys: dict[str, list[bytes]] = {}
    words = list(_number_words(text))
    if len(words) > MOST_SECRETS:
        raise ValueError(f"must be at most {MOST_SECRETS}")
    for place, word in words:
        name, secret = _split_word(word, place, "whsec_...")
        keys.setdefault(name, []).append(_read_key(secret, place))
    return keys


def find_webhook_problem(endpoints: str, secrets: str, *, allow_loopback: bool) -> str | None:
    """Why checked endpoints and secrets do not go together, and None where they do."""
    urls, keys = parse_webhooks(endpoints), parse_webhook_secrets(secrets)
    if unsigned := sorted(urls.keys() - keys.keys()):
        return f"alerts.secrets: must have a secret for {unsigned[0]}"
    if unknown := sorted(keys.keys() - urls.keys()):
        return f"alerts.secrets: {unknown[0]} is the name of no endpoint"
    for name, url in sorted(urls.items()):
        if url.startswith("http://") and not (allow_loopback and is_loopback_url(url)):
            return (
                f"alerts.endpoints: {name} must begin with https://; http is for this machine"
                " alone, with alerts.allow_loopback"
            )
    return None


def is_loopback_url(url: str) -> bool:
    """Whether the host is this machine by its own name or address."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number_words(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.split(), start=1)


def _split_word(word: str, place: int, form: str) -> tuple[str, str]:
    name, equals, rest = word.partition("=")
    if not equals or NAME.fullmatch(name) is None:
        raise ValueError(
            f"must be NAME={form}, separated by spaces, a name of at most 40 letters, digits and"
            f" . _ -; number {place} is none"
        )
    return name, rest


def _read_key(secret: str, place: int) -> bytes:
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    is_of_length = SHORTEST_KEY_BYTES <= len(key) <= LONGEST_KEY_BYTES
    if not secret.startswith(PREFIX) or not is_of_length:
        raise ValueError(
            f"must be {PREFIX} and the base64 of {SHORTEST_KEY_BYTES} to"
            f" {LONGEST_KEY_BYTES} bytes; number {place} is none"
        )
    return key


def _show_webhooks(text: str) -> str:
    pairs = (word.partition("=") for word in text.split())
    return repr(" ".join(f"{name}={show_web_address(url)}" for name, _, url in pairs))


def _list_url_secrets(text: str) -> Iterator[str]:
    for word in text.split():
        yield from secrets_in_address(word.partition("=")[2])


def _list_written_secrets(text: str) -> Iterator[str]:
    for word in text.split():
        secret = word.partition("=")[2]
        yield from (secret, secret.removeprefix(PREFIX))
