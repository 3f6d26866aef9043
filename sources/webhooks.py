"""Webhooks: one signed POST an attempt.

    Alert -> WebhookSender.send_alert -> POST, webhook-id, webhook-timestamp, webhook-signature
                                      -> SendAnswer

Source of the headers and of the signature: Standard Webhooks, specification 1.0.0 ("Webhook
headers", "Signature scheme"): base64 of HMAC-SHA256 over "id.timestamp.body", one for each secret,
so that a secret can be replaced while both count. Anything but 2xx is not taken; a redirect
neither.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

import httpx
from attrs import define, field, frozen

from config.redaction import redact_text
from config.settings import AlertsSettings
from config.webhooks import is_loopback_url, parse_webhook_secrets, parse_webhooks
from domain.errors import FetchRefused
from domain.values import UnixSeconds
from sources import SendAnswer
from sources.guarded import GuardedHttp
from sources.guarded_addresses import is_public_address
from sources.rates import read_pause_seconds

BUSY_STATUSES = (429, 503)  # whose Retry-After is heeded


@frozen(kw_only=True)
class Webhook:
    """One endpoint."""

    url: str = field(repr=False)  # without user and password
    user: str = field(repr=False)  # as Basic authorization has it; empty: none
    keys: Sequence[bytes] = field(repr=False)
    may_connect: Callable[[str], bool]  # to an address


@define(kw_only=True)
class WebhookSender:
    """The `AlertSender` of the real world."""

    webhooks: Mapping[str, Webhook]  # by name
    http: GuardedHttp
    clock: Callable[[], UnixSeconds]

    async def send_alert(self, endpoint: str, alert_id: str, body: str) -> SendAnswer:
        webhook, content, timestamp = self.webhooks[endpoint], body.encode(), int(self.clock())
        headers = [
            (b"Content-Type", b"application/json"),
            (b"webhook-id", alert_id.encode()),
            (b"webhook-timestamp", str(timestamp).encode()),
            (b"webhook-signature", sign_message(webhook.keys, alert_id, timestamp, content)),
        ]
        if webhook.user:
            headers.append((b"Authorization", b"Basic " + b64encode(webhook.user.encode())))
        try:
            status, told = await self.http.post_body(
                webhook.url, content, headers, may_connect=webhook.may_connect
            )
        except FetchRefused as refusal:
            return SendAnswer(problem=redact_text(f"{refusal.reason}: {refusal}"))
        if 200 <= status < 300:
            return SendAnswer(status=status)
        pause_seconds = read_pause_seconds(told) if status in BUSY_STATUSES else None
        return SendAnswer(status=status, problem=f"HTTP {status}", pause_seconds=pause_seconds)


def sign_message(keys: Sequence[bytes], alert_id: str, timestamp: int, body: bytes) -> bytes:
    """The value of `webhook-signature`."""
    signed = f"{alert_id}.{timestamp}.".encode() + body
    return b" ".join(b"v1," + b64encode(hmac.digest(key, signed, "sha256")) for key in keys)


def read_webhooks(settings: AlertsSettings) -> dict[str, Webhook]:
    """The endpoints of settings that have been checked."""
    keys = parse_webhook_secrets(settings.secrets)
    return {
        name: _make_webhook(url, keys[name], allow_loopback=settings.allow_loopback)
        for name, url in parse_webhooks(settings.endpoints).items()
    }


def _make_webhook(written: str, keys: Sequence[bytes], *, allow_loopback: bool) -> Webhook:
    url = httpx.URL(written)
    user = f"{url.username}:{url.password}" if url.userinfo else ""
    is_local = allow_loopback and is_loopback_url(written)
    return Webhook(
        url=str(url.copy_with(username=None, password=None)) if user else written,
        user=user,
        keys=tuple(keys),
        may_connect=_is_loopback if is_local else is_public_address,
    )


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback
