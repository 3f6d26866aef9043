"""Who is an operator."""

from base64 import b64encode
from collections.abc import Mapping
from hmac import compare_digest

import attrs
import pytest

from domain.errors import RequestRefused
from feed.http import HttpRequest
from feed.operators import has_token, is_for_operators, is_from_this_machine, require_operator
from tests.unit.feed.worlds import SETTINGS

TOKEN, OPS_PORT = "s3cret", 9090
BEARER = {"authorization": f"Bearer {TOKEN}"}
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.5"
OPEN = 0  # in place of the status of a refusal


def ask(
    peer: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    *,
    path: str = "/metrics",
    port: int = 8080,
) -> HttpRequest:
    named = {"host": "localhost:8080", **(headers or {})}
    return HttpRequest(method=method, path=path, query="", headers=named, peer=peer, port=port)


def status_of(request: HttpRequest, *, token: str = "", ops_port: int = 0) -> int:
    """The status of a refusal, or that there is none."""
    try:
        require_operator(request, attrs.evolve(SETTINGS, control_token=token, ops_port=ops_port))
    except RequestRefused as refusal:
        return refusal.status
    return OPEN


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


# Which paths.


@pytest.mark.parametrize(
    ("path", "is_guarded"),
    [
        ("/ops", True),
        ("/ops/runbook", True),
        ("/metrics", True),
        ("/api/ops/actors", True),
        ("/api/ops/", True),
        ("/api/ops/none/such", True),
        ("/", False),
        ("/livez", False),
        ("/readyz", False),
        ("/assets/ops.js", False),
        ("/api/opsy", False),
        ("/api/tokens", False),
        ("*", False),
    ],
)
def test_only_paths_of_operators_are_guarded(path: str, is_guarded: bool) -> None:
    assert is_guarded == is_for_operators(path)
    assert (403 if is_guarded else OPEN) == status_of(ask(ELSEWHERE, path=path))


# This machine.


@pytest.mark.parametrize(
    ("peer", "is_here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_only_loopback_is_this_machine(peer: str, is_here: bool, method: str) -> None:
    assert (OPEN if is_here else 403) == status_of(ask(peer, method))


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("127.0.0.1", True),
        ("127.0.0.9:1", True),
        ("[::1]:8080", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("feed.lan:8080", True),  # the configured one
        ("Feed.LAN", True),
        ("", False),
        ("evil.example:8080", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("203.0.113.5", False),  # the machine's own, as a proxy may pass it on
        ("[2001:db8::1]:8080", False),
        ("[v1.a]", False),
        ("a", False),
        ("localhost.", False),
        ("localhost:99999999999999999999", True),  # the port tells nothing
    ],
)
def test_a_name_that_may_lead_here_by_rebinding_is_not_ours(host: str, is_own: bool) -> None:
    assert is_own == is_from_this_machine(ask(HERE, headers={"host": host}), "feed.lan")


def test_an_address_that_is_configured_is_ours() -> None:
    assert is_from_this_machine(ask("::1", headers={"host": "[::]:80"}), "::")
    assert is_from_this_machine(ask(HERE, headers={"host": "0.0.0.0:80"}), "0.0.0.0")


@pytest.mark.parametrize(
    "header",
    [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "cf-connecting-ip",
    ],
)
@pytest.mark.parametrize("value", ["", "127.0.0.1"])
def test_behind_a_proxy_of_this_machine_is_the_world(header: str, value: str) -> None:
    assert 403 == status_of(ask(HERE, headers={header: value}))
    assert 401 == status_of(ask(HERE, headers={header: value}), token=TOKEN)


def test_http_1_0_on_loopback_is_how_a_bare_proxy_speaks() -> None:
    assert 403 == status_of(attrs.evolve(ask(HERE), http_version="1.0"))


def test_a_page_in_a_browser_of_this_machine_changes_nothing_without_a_token() -> None:
    page = {"origin": "http://localhost:8080"}
    assert 403 == status_of(ask(HERE, "POST", page))
    assert OPEN == status_of(ask(HERE, "GET", page))
    assert OPEN == status_of(ask(HERE, "POST", page | BEARER), token=TOKEN)


# The token.


def test_a_token_opens_from_elsewhere_and_is_asked_for() -> None:
    for method in ("GET", "HEAD", "POST"):
        assert 401 == status_of(ask(ELSEWHERE, method), token=TOKEN)
        assert OPEN == status_of(ask(ELSEWHERE, method, BEARER), token=TOKEN)
        assert 403 == status_of(ask(ELSEWHERE, method, BEARER))


def test_this_machine_reads_without_the_token_and_changes_with_it() -> None:
    assert OPEN == status_of(ask(HERE), token=TOKEN)
    assert 401 == status_of(ask(HERE, "POST"), token=TOKEN)
    assert OPEN == status_of(ask(HERE, "POST", BEARER), token=TOKEN)


@pytest.mark.parametrize(
    ("authorization", "is_shown"),
    [
        ("Bearer s3cret", True),
        ("bearer s3cret", True),
        ("BEARER   s3cret ", True),
        (basic("", "s3cret"), True),
        (basic("any", "s3cret"), True),
        (basic("ö", "s3cret").replace("Basic", "bAsIc"), True),
        (basic("s3cret", ""), False),
        (basic("any", "s3cret:"), False),
        ("Basic " + b64encode(b"s3cret").decode(), False),
        ("Basic s3cret", False),
        ("Basic \xe9", False),
        ("Basic", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("Bearer s3cre", False),
        ("Bearer s3cret2", False),
        ("Bearer S3CRET", False),
        ("Bearer \xff\xe9", False),
        ("Bearer s3cret, Bearer s3cret", False),
        ("Digest s3cret", False),
        ("s3cret", False),
        ("", False),
    ],
)
def test_the_token_is_a_bearers_or_the_password_of_anybody(
    authorization: str, is_shown: bool
) -> None:
    assert is_shown == has_token(ask(ELSEWHERE, headers={"authorization": authorization}), TOKEN)


def test_every_byte_of_a_token_is_compared_wherever_it_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison is the one whose time does not depend on the first difference."""
    compared: list[bytes] = []

    def compare(wanted: bytes, given: bytes) -> bool:
        compared.append(given)
        return compare_digest(wanted, given)

    monkeypatch.setattr("feed.operators.compare_digest", compare)
    shown = ("Bearer x3cret", "Bearer s3creX", basic("a", "no"), "Bearer s3cret")
    seen = [has_token(ask(ELSEWHERE, headers={"authorization": each}), TOKEN) for each in shown]
    assert [False, False, False, True] == seen
    assert [b"x3cret", b"s3creX", b"no", b"s3cret"] == compared


# The operators' port.


def test_the_operators_port_is_read_without_a_token_and_not_changed() -> None:
    read = ask(ELSEWHERE, "GET", {"host": "10.0.0.5:9090"}, port=OPS_PORT)
    assert [OPEN, OPEN] == [status_of(read, token=t, ops_port=OPS_PORT) for t in ("", TOKEN)]
    change = ask(ELSEWHERE, "POST", port=OPS_PORT)
    assert 403 == status_of(change, ops_port=OPS_PORT)
    assert 401 == status_of(change, token=TOKEN, ops_port=OPS_PORT)
    change = ask(ELSEWHERE, "POST", BEARER, port=OPS_PORT)
    assert OPEN == status_of(change, token=TOKEN, ops_port=OPS_PORT)
    assert OPEN == status_of(ask(HERE, "POST", port=OPS_PORT), ops_port=OPS_PORT)


def test_the_other_port_then_has_nothing_for_those_elsewhere_not_even_with_the_token() -> None:
    for method in ("GET", "POST", "OPTIONS"):
        elsewhere = ask(ELSEWHERE, method, BEARER)
        assert 404 == status_of(elsewhere, token=TOKEN, ops_port=OPS_PORT)
    assert OPEN == status_of(ask(HERE), token=TOKEN, ops_port=OPS_PORT)


def test_methods_are_told_without_a_token() -> None:
    assert OPEN == status_of(ask(ELSEWHERE, "OPTIONS"), token=TOKEN)
