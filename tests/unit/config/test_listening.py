"""What HOST may be."""

import pytest

from config.listening import listening_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[::]", "::"),
        ("0:0::0", "::"),
        ("[::1]", "::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("LocalHost", "localhost"),
        ("my_host-1.example.", "my_host-1.example."),
        ("1.example", "1.example"),
    ],
)
def test_a_host_has_one_canonical_form(text: str, host: str) -> None:
    assert host == listening_host(text)
    assert host == listening_host(host)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a b",
        "127.0.0.1 ",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::",
        "::]",
        "[127.0.0.1]",
        "[localhost]",
        "::g",
        ":::",
        "1.2.3",
        "256.1.1.1",
        "0x7f.1",
        "host.0x7f",
        "2130706433",
        "http://localhost",
        "user@host",
        "host/path",
        "-host",
        "host-",
        "a..b",
        ".",
        "*",
        "hôst",
        "h\x00st",
        "host\n",
        "a" * 64,
        ".".join(["a" * 60] * 5),
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an IP address or a host name"):
        listening_host(text)
