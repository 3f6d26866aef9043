"""Addresses of providers: understood alike by every client, or refused by name."""

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.web_address import LONGEST_ADDRESS, require_web_address, show_web_address

HTTP = ("https", "http")
WEBSOCKET = ("wss", "ws")
SECRET = "s3cret"


def refusal(text: str, schemes: tuple[str, ...] = HTTP, *, with_query: bool = True) -> str:
    """Why an address is refused."""
    with pytest.raises(ValueError, match=r"^must ") as error:
        require_web_address(text, schemes, with_query=with_query)
    return str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://rpc.example",
        "https://rpc.example/",
        "http://rpc.example:8899/v2/key?api-key=x&y=z",
        "https://rpc.example?api-key=x",
        "https://rpc.example/@account/a:b",
        "https://user:password@rpc.example/v2",
        "https://user:p@ss@rpc.example",
        "https://127.0.0.1:65535",
        "https://[::1]:8899/x",
        "https://[2001:db8::ffff:1.2.3.4]",
        "https://my_container-1",
        "https://RPC.Example.",
        "https://xn--bcher-kva.example",
        "https://1.example",
    ],
)
def test_address_that_every_client_takes_is_understood(text: str) -> None:
    require_web_address(text, HTTP, with_query=True)


BAD_HOSTS = """
    a..b .example .. -a.example a-.example a%20b.example *.example a,b a\\b
    [::1 [] [::1]] [::g] [fe80::1%25eth0] [127.0.0.1] [localhost]
    256.1.1.1 1.2.3 127.1 2130706433 0x7f.1 example.0x7f
"""
BAD_PORTS = "s3cret https 0 65536 8_0 +80 -1 0x50 1e3 8:0 :1]"
NO_SCHEME = "must begin with https:// or http://"
NO_HOST = "must have a host"
NO_NAME = "must have a host that is a name or an IP address"
NOT_ASCII = "must be ASCII without spaces: a host as xn--..., the rest as %XX"
FRAGMENT = "must not have a fragment; a # within it is written %23"
REFUSED = [
    ("rpc.example/?api-key=s3cret", NO_SCHEME),
    ("wss://rpc.example", NO_SCHEME),
    ("HTTPS://rpc.example", NO_SCHEME),
    (" https://rpc.example", NO_SCHEME),
    ("https:/rpc.example", NO_SCHEME),
    ("https://", NO_HOST),
    ("https:///v2/s3cret", NO_HOST),
    ("https://?api-key=s3cret", NO_HOST),
    ("https://:8080", NO_HOST),
    ("https://s3cret@", NO_HOST),
    *((f"https://{host}/", NO_NAME) for host in BAD_HOSTS.split()),
    ("https://" + "a" * 64, NO_NAME),
    ("https://" + ".".join(["a" * 60] * 5), NO_NAME),
    *(
        (f"https://rpc.example:{port}/", "must have a port from 1 to 65535, in digits, or none")
        for port in ["", *BAD_PORTS.split()]
    ),
    ("https://rpc.example/a b", NOT_ASCII),
    ("https://rpc .example", NOT_ASCII),
    ("https://rpc.example\n", NOT_ASCII),
    ("https://rpc.example/\t", NOT_ASCII),
    ("https://rpc.example/\x00", NOT_ASCII),
    ("https://rpc.example/\x7f", NOT_ASCII),
    ("https://bücher.example", NOT_ASCII),
    ("https://rpc.example:٨٠", NOT_ASCII),
    ("https://rpc.example/ключ", NOT_ASCII),
    ("https://rpc.example/\udcff", NOT_ASCII),
    ("https://rpc.example/#s3cret", FRAGMENT),
    ("https://u:12#t@rpc.example", FRAGMENT),
    ("https://u:s3cr#t@h", FRAGMENT),
    ("https://rpc.example/" + "x" * LONGEST_ADDRESS, "must have at most 8000 characters"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_address_that_cannot_be_is_refused_by_name(text: str, reason: str) -> None:
    assert reason == refusal(text)


@pytest.mark.parametrize("user", ["user:s3cret@", "user@", ":s3cret@", "@", "s3cret:@"])
def test_user_that_no_websocket_would_send_is_refused(user: str) -> None:
    reason = "must not hold a user or a password: no WebSocket here would send them"
    assert reason == refusal(f"wss://{user}rpc.example", WEBSOCKET)


@pytest.mark.parametrize("query", ["?", "?api-key=s3cret"])
def test_query_is_refused_where_a_path_is_put_behind_the_address(query: str) -> None:
    reason = "must be a base address, without a query"
    assert reason == refusal(f"https://rpc.example/{query}", with_query=False)


PARTS = st.text("ab1.:@/?#[]%-_ \\s3é\n", max_size=14)


@given(PARTS, st.sampled_from(["", "[::1]", "rpc.example", "u:s3cret@rpc.example"]))
@example("", "a:80")
def test_whatever_is_understood_is_so_by_every_client(rest: str, beginning: str) -> None:
    """Those that connect: httpx for HTTP, `urlsplit` and the resolver for WebSocket."""
    for schemes in (HTTP, WEBSOCKET):
        text = f"{schemes[0]}://{beginning}{rest}"
        try:
            require_web_address(text, schemes, with_query=True)
        except ValueError:
            continue
        parts, address = urlsplit(text), httpx.URL(text)
        assert (parts.hostname or "").lower() == address.host != ""
        assert parts.port in {address.port, 443}
        parts.netloc.encode("ascii")


@given(PARTS, PARTS)
def test_no_reason_repeats_the_address(before: str, after: str) -> None:
    text = f"gopher://{before}{SECRET}{after}"  # never taken
    assert SECRET not in refusal(text)
    assert SECRET not in refusal(text.replace("gopher", "https") + "#")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://rpc.example:8899", "https://rpc.example:8899"),
        ("wss://rpc.example/", "wss://rpc.example/"),
        ("https://rpc.example/v2/s3cret?x=s3cret", "https://rpc.example/…?…"),
        ("https://rpc.example?s3cret", "https://rpc.example?…"),
        ("https://user:s3cret@rpc.example/", "https://…@rpc.example/"),
        ("https://rpc.example/v2/a@s3cret", "https://rpc.example/…"),
        ("https://user:s3cret", "https://…"),
        ("https://user:12#s3cret@rpc.example", "https://…"),
        ("https://[s3cret", "https://…"),
        ("", ""),
        ("s3cret://x", "…"),
        ("s3cret", "…"),
    ],
)
def test_log_shows_no_part_that_may_be_a_key(text: str, shown: str) -> None:
    assert shown == show_web_address(text)
