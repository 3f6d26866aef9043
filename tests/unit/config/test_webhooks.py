"""Endpoints of webhooks and the secrets that sign for them, among the settings."""

from base64 import b64encode

import pytest

from config.loading import load_settings
from config.redaction import find_secrets
from config.settings import Settings
from config.webhooks import parse_webhook_secrets, parse_webhooks
from domain.errors import SettingsInvalid

REQUIRED = {"DATABASE_URL": "postgresql://db/tokens", "REDIS_URL": "redis://cache"}
KEYS = [bytes(range(n, n + 32)) for n in range(3)]
SECRETS = ["whsec_" + b64encode(key).decode() for key in KEYS]


def load(**alerts: str) -> Settings:
    given = {f"TOKEN_DISCOVERY__ALERTS__{name.upper()}": text for name, text in alerts.items()}
    return load_settings(None, REQUIRED | given)


def test_endpoints_and_several_secrets_of_one_are_read() -> None:
    urls = parse_webhooks("desk=https://a.example/x?y=z  other=https://u:p@b.example:8443")
    assert {"desk": "https://a.example/x?y=z", "other": "https://u:p@b.example:8443"} == urls
    text = f"desk={SECRETS[0]} other={SECRETS[1]} desk={SECRETS[2]}"
    assert {"desk": [KEYS[0], KEYS[2]], "other": [KEYS[1]]} == parse_webhook_secrets(text)
    assert ({}, {}) == (parse_webhooks(""), parse_webhook_secrets(" "))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://a.example/", "must be NAME=https://..., separated"),
        ("=https://a.example/", "must be NAME=https://..., separated"),
        ("a b=https://a.example/", "number 1 is none"),
        ("a=https://a.example/ a=https://b.example/", "another name each"),
        ("a=wss://a.example/", "must begin with https:// or http://"),
        ("a=https://a.example/#x", "must not have a fragment"),
        (" ".join(f"a{n}=https://a.example/" for n in range(11)), "at most 10"),
    ],
)
def test_what_is_no_endpoint_is_a_problem(text: str, reason: str) -> None:
    with pytest.raises(SettingsInvalid, match=reason):
        load(endpoints=text)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!", SECRETS[0][6:]])
def test_what_is_no_secret_is_a_problem_that_does_not_repeat_it(secret: str) -> None:
    with pytest.raises(SettingsInvalid) as refusal:
        load(endpoints="a=https://a.example/", secrets=f"a={secret}")
    assert "must be whsec_ and the base64 of 24 to 64 bytes; number 1 is none" in str(refusal.value)
    assert not secret or len(secret) < 7 or secret not in str(refusal.value)


def test_each_endpoint_has_a_secret_and_each_secret_an_endpoint() -> None:
    with pytest.raises(SettingsInvalid, match=r"alerts\.secrets: must have a secret for desk"):
        load(endpoints="desk=https://a.example/")
    with pytest.raises(SettingsInvalid, match=r"alerts\.secrets: dusk is the name of no endpoint"):
        load(endpoints="desk=https://a/", secrets=f"desk={SECRETS[0]} dusk={SECRETS[1]}")


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "[::1]:9000"])
def test_http_is_for_this_machine_alone_and_must_be_allowed(host: str) -> None:
    given = {"endpoints": f"desk=http://{host}/x", "secrets": f"desk={SECRETS[0]}"}
    assert load(**given, allow_loopback="true").alerts.allow_loopback
    with pytest.raises(SettingsInvalid, match="desk must begin with https://"):
        load(**given)
    far = {**given, "endpoints": "desk=http://hooks.example/x"}
    with pytest.raises(SettingsInvalid, match="desk must begin with https://"):
        load(**far, allow_loopback="true")


def test_secrets_are_found_and_not_shown_and_names_are_no_secrets() -> None:
    endpoint = "https://user:pass-word@a.example/services/T0123456789ABCDEFGH?token=qwertz"
    settings = load(endpoints=f"desk={endpoint}", secrets=f"desk={SECRETS[0]}")
    assert "endpoints='desk=https://…@a.example/…?…'" in str(settings)
    found = find_secrets(settings)
    assert {"pass-word", "T0123456789ABCDEFGH", "qwertz", SECRETS[0], SECRETS[0][6:]} <= found
    assert "desk" not in found
    for secret in (*found, "user:"):
        assert secret not in str(settings)
