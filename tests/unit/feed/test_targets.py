"""Request targets and the Host field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RequestRefused
from feed.targets import is_host, parse_host, parse_target


@pytest.mark.parametrize(
    ("method", "target", "path", "query"),
    [
        ("GET", "/livez", "/livez", ""),
        ("GET", "/a?b=c?d", "/a", "b=c?d"),
        ("GET", "//a/b", "//a/b", ""),
        ("GET", "/a%62", "/a%62", ""),
        ("GET", "/?u=http://a/", "/", "u=http://a/"),
        ("GET", "http://host/livez", "/livez", ""),
        ("GET", "HTTP://host:8080/a?b=c", "/a", "b=c"),
        ("GET", "https://host/a", "/a", ""),
        ("GET", "http://host", "/", ""),
        ("GET", "http://host?b=c", "/", "b=c"),
        ("GET", "http://[::1]:80/a", "/a", ""),
        ("OPTIONS", "*", "*", ""),
        ("OPTIONS", "http://host:80", "*", ""),
        ("OPTIONS", "http://host/", "/", ""),
        ("OPTIONS", "/a", "/a", ""),
        ("CONNECT", "host:443", "host:443", ""),
        ("CONNECT", "[::1]:443", "[::1]:443", ""),
    ],
)
def test_each_form_of_a_target_is_read(method: str, target: str, path: str, query: str) -> None:
    assert (path, query) == parse_target(method, target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "*"),
        ("GET", "livez"),
        ("GET", "host:80"),
        ("GET", "/a#b"),
        ("GET", "http://host/a#b"),
        ("GET", "http:///a"),
        ("GET", "http://:80/a"),
        ("GET", "http://me:secret@host/a"),
        ("GET", "http://[::1/a"),
        ("GET", "http://host:80:80/a"),
        ("GET", "http:/a"),
        ("GET", "ws://host/ws"),
        ("GET", "?a"),
        ("CONNECT", "host"),
        ("CONNECT", "/a"),
        ("CONNECT", "http://host/"),
        ("OPTIONS", "**"),
    ],
)
def test_a_malformed_target_is_refused(method: str, target: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse_target(method, target)
    assert (400, "bad_request") == (caught.value.status, caught.value.code)


@given(st.sampled_from(["GET", "OPTIONS", "CONNECT"]), st.text(st.characters(codec="ascii")))
def test_any_target_is_read_or_refused(method: str, target: str) -> None:
    try:
        path, _ = parse_target(method, target)
    except RequestRefused:
        return
    assert method == "CONNECT" or path == "*" or path.startswith("/")


@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ("", True),
        ("a", True),
        ("a.example:8080", True),
        ("a.example:", True),
        ("127.0.0.1:80", True),
        ("[::1]:80", True),
        ("%61", True),
        ("a b", False),
        ("a/b", False),
        ("me@a", False),
        ("http://a", False),
        ("[::1", False),
        ("::1", False),
        ("a:b", False),
        ("a:80:80", False),
        ("%6", False),
        ("é", False),
        ("a, b", False),
        ("a\n", False),
    ],
)
def test_a_host_field_is_a_host_and_perhaps_a_port(value: str, is_good: bool) -> None:
    assert is_good == is_host(value)


@pytest.mark.parametrize(
    ("field", "name", "port"),
    [
        ("", "", None),
        ("Feed.Example", "feed.example", None),
        ("feed.example:", "feed.example", None),
        ("feed.example:8080", "feed.example", 8080),
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("[::1]", "::1", None),
        ("[0:0:0:0:0:0:0:1]:8080", "::1", 8080),
        ("[v1.A]:1", "[v1.a]", 1),
        (":8080", "", 8080),
    ],
)
def test_a_host_field_has_a_name_and_a_port(field: str, name: str, port: int | None) -> None:
    assert is_host(field)
    assert (name, port) == parse_host(field)


@given(st.from_regex(r"(?:[a-z.]{0,9}|\[[0-9a-f:.]{1,9}\])(?::[0-9]{0,9})?", fullmatch=True))
def test_every_well_formed_host_field_is_parsed(field: str) -> None:
    name, port = parse_host(field)
    assert ":" not in name or field.startswith("[")
    assert port is None or 0 <= port < 1_000_000
