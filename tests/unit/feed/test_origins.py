"""Origins, as browsers tell them and as settings list them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RequestRefused
from feed.http import HttpRequest
from feed.origins import WebOrigin, is_own_origin, parse_origin, read_policy

LISTED = "https://app.example.com http://localhost:3000 http://[::1]:8080"


def ask(method: str = "POST", path: str = "/api/activity", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method=method, path=path, query="", headers=named)


def is_trusted(allowed: str, request: HttpRequest) -> bool:
    try:
        read_policy(allowed).require_trusted(request)
    except RequestRefused as refusal:
        return refusal.status != 403
    return True


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example.com", WebOrigin("https", "app.example.com", 443)),
        ("HTTPS://App.Example.COM:443", WebOrigin("https", "app.example.com", 443)),
        ("http://app.example.com:80", WebOrigin("http", "app.example.com", 80)),
        ("http://app.example.com:443", WebOrigin("http", "app.example.com", 443)),
        ("http://[::1]:8080", WebOrigin("http", "::1", 8080)),
        ("http://[0:0:0:0:0:0:0:1]:8080", WebOrigin("http", "::1", 8080)),
        ("https://xn--bcher-kva.example", WebOrigin("https", "xn--bcher-kva.example", 443)),
        ("chrome-extension://abcdef", WebOrigin("chrome-extension", "abcdef", None)),
        ("null", None),
        ("", None),
        ("*", None),
        ("app.example.com", None),
        ("https://", None),
        ("https://app.example.com/", None),
        ("https://user@app.example.com", None),
        ("https://app.example.com:", None),
        ("https://app.example.com:123456", None),
        ("https://app.example.com, https://app.example.com", None),
        ("https://app.example.com https://evil.example", None),
        ("https://b\xfccher.example", None),
        (" https://app.example.com", None),
    ],
)
def test_an_origin_has_one_form(text: str, origin: WebOrigin | None) -> None:
    assert origin == parse_origin(text)


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_field_is_read(text: str) -> None:
    parsed = parse_origin(text)
    assert parsed is None or parsed.scheme.isascii()
    assert isinstance(is_own_origin(text, ask(host="a:1")), bool)


@pytest.mark.parametrize(
    ("origin", "host", "is_own"),
    [
        ("http://feed.example:8080", "feed.example:8080", True),
        ("https://feed.example", "feed.example", True),
        ("http://feed.example", "feed.example", True),  # TLS may end at a proxy
        ("https://feed.example", "Feed.Example:443", True),
        ("https://feed.example", "feed.example:", True),
        ("http://feed.example:80", "feed.example", True),
        ("https://feed.example", "feed.example:80", False),
        ("https://feed.example:8080", "feed.example", False),
        ("https://feed.example", "feed.example:8080", False),
        ("https://feed.example.evil.example", "feed.example", False),
        ("https://evil.example", "feed.example", False),
        ("https://www.feed.example", "feed.example", False),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://[::1]:8080", "[0:0::1]:8080", True),
        ("http://[::1]", "[::1]", True),
        ("http://[::2]", "[::1]", False),
        ("chrome-extension://feed.example", "feed.example", False),
        ("null", "null", False),
        ("", "", False),
        ("http://feed.example", "", False),
        ("http://feed.example", "feed.example:" + "9" * 5000, False),
    ],
)
def test_an_own_origin_has_the_host_that_was_asked(origin: str, host: str, is_own: bool) -> None:
    assert is_own == is_own_origin(origin, ask(host=host))


@pytest.mark.parametrize(
    ("origin", "site", "trusted"),
    [
        (None, None, True),  # no browser
        (None, "none", True),
        (None, "same-origin", True),
        (None, "cross-site", False),
        (None, "Cross-Site", False),
        ("http://feed.example", None, True),
        ("http://feed.example", "same-origin", True),
        ("http://feed.example", "cross-site", False),  # a page without TLS asks by TLS
        ("https://app.example.com", "cross-site", True),
        ("https://APP.example.com:443", "cross-site", True),
        ("http://app.example.com", None, False),
        ("https://evil.example", None, False),
        ("https://evil.example", "same-site", False),
        ("http://[::1]:8080", None, True),
        ("null", None, False),
        ("", None, False),
        ("https://app.example.com, https://app.example.com", None, False),
    ],
)
def test_a_change_is_made_for_pages_of_known_origins_alone(
    origin: str | None, site: str | None, trusted: bool
) -> None:
    fields = {"host": "feed.example"}
    fields |= {"origin": origin} if origin is not None else {}
    fields |= {"sec_fetch_site": site} if site is not None else {}
    assert trusted == is_trusted(LISTED, ask(**fields))
    assert is_trusted(LISTED, ask("GET", **fields))  # what is only read is guarded by browsers
    assert trusted == is_trusted(LISTED, ask("GET", "/ws", upgrade="websocket", **fields))
    assert is_trusted("*", ask(**fields))


def test_an_asterisk_does_not_stand_for_pages_that_operate() -> None:
    foreign = {"host": "localhost", "origin": "https://evil.example"}
    assert is_trusted("*", ask(path="/api/activity", **foreign))
    assert not is_trusted("*", ask(path="/api/ops/governor", **foreign))
    assert not is_trusted("*", ask(path="/api/ops/governor", host="a", sec_fetch_site="cross-site"))
    assert is_trusted("*", ask(path="/api/ops/governor", host="a", origin="http://a"))


def test_nothing_is_listed_by_default() -> None:
    foreign = {"host": "localhost", "origin": "https://app.example.com"}
    assert not is_trusted("", ask(**foreign))
    assert is_trusted("  https://app.example.com\n", ask(**foreign))
