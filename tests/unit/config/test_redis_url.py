"""REDIS_URL: understood as a whole, or refused in words that repeat nothing of it."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loading import load_settings
from config.redis_url import RedisAddress, parse_redis_url
from config.secrets import SecretTexts
from domain.errors import SettingsInvalid

TLS_FILE = Path(__file__).parents[2] / "data" / "tls" / "localhost.pem"


def address(**known: Any) -> RedisAddress:
    return RedisAddress(**known)


def parsed(url: str) -> RedisAddress:
    """Without the texts to be hidden, which are no part of where the server is."""
    found = parse_redis_url(url)
    return RedisAddress(
        host=found.host,
        port=found.port,
        socket_path=found.socket_path,
        database=found.database,
        user=found.user,
        password=found.password,
        client_name=found.client_name,
        tls=found.tls,
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", address(host="cache")),
        ("redis://cache/", address(host="cache")),
        ("redis://", address(host="localhost")),
        ("redis:///2", address(host="localhost", database=2)),
        ("redis://my_cache.a:6380/15", address(host="my_cache.a", port=6380, database=15)),
        ("redis://10.0.0.7?db=3", address(host="10.0.0.7", database=3)),
        ("redis://h/3?db=3", address(host="h", database=3)),
        ("redis://[::1]:7000", address(host="::1", port=7000)),
        ("redis://:p%40ss@h", address(host="h", password="p@ss")),
        ("redis://u:p@h", address(host="h", user="u", password="p")),
        ("redis://u@h", address(host="h", user="u")),
        ("redis://u:a:b@h", address(host="h", user="u", password="a:b")),
        ("redis://u:a@b@h", address(host="h", user="u", password="a@b")),
        ("redis://:100%@h", address(host="h", password="100%")),
        ("redis://h?username=u&password=p%26q", address(host="h", user="u", password="p&q")),
        ("redis://h?client_name=sync", address(host="h", client_name="sync")),
        ("rediss://h", address(host="h", tls={})),
        ("rediss://h?ssl_cert_reqs=none", address(host="h", tls={"ssl_cert_reqs": "none"})),
        ("unix:///run/redis.sock", address(socket_path="/run/redis.sock")),
        ("unix://:p@/a%20b?db=4", address(socket_path="/a b", database=4, password="p")),
    ],
)  # fmt: skip
def test_addresses_are_understood(url: str, expected: RedisAddress) -> None:
    assert expected == parsed(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must be given"),
        ("cache:6379", "must begin with redis:// or rediss:// or unix://"),
        ("http://cache", "must begin with"),
        ("REDIS://cache", "must begin with"),
        ("redis:/cache", "must begin with"),
        (" redis://cache", "ASCII without spaces"),
        ("redis://cache\n", "ASCII without spaces"),
        ("redis://hö", "ASCII without spaces"),
        ("redis://h" + "x" * 9000, "at most 8000 characters"),
        ("redis://:s3cr#t@h", "a # within a password is written %23"),
        ("redis://:s3cr/t@h", "a / or ? within the password"),
        ("redis://:s3cr?t@h", "a / or ? within the password"),
        ("redis://u:s3cr/t?x@h:6379/0", "a / or ? within the password"),
        ("redis://:s3cr", "a port from 1 to 65535"),
        ("redis://u:s3cr", "a port from 1 to 65535"),
        ("redis://:%ff@h", "only UTF-8"),
        ("redis://h:wordy", "a port from 1 to 65535"),
        ("redis://h:", "a port from 1 to 65535"),
        ("redis://h:0", "a port from 1 to 65535"),
        ("redis://h:99999", "a port from 1 to 65535"),
        ("redis://h:-1", "a port from 1 to 65535"),
        ("redis://h:6379:6379", "a port from 1 to 65535"),
        ("redis://:1234", "must have a host"),
        ("redis://::1", "a port from 1 to 65535"),
        ("redis://[::1", "IPv6 in brackets"),
        ("redis://[::g]", "a name or an IP address"),
        ("redis://300.1.1.1", "a name or an IP address"),
        ("redis://a..b", "a name or an IP address"),
        ("redis://-a", "a name or an IP address"),
        ("redis://h/zero", "a database that is a number"),
        ("redis://h/0/1", "a database that is a number"),
        ("redis://h/-1", "a database that is a number"),
        ("redis://h/99999999999", "a database that is a number"),
        ("redis://h?db=", "a database that is a number"),
        ("redis://h?db=zero", "a database that is a number"),
        ("redis://h/1?db=2", "two different values for the database"),
        ("redis://u:p@h?password=q", "two different values for the password"),
        ("redis://h?db=1&db=1", "no parameter twice"),
        ("redis://h?client_name=%ff", "%XX are UTF-8"),
        ("redis://h?family=0", "must leave out family"),
        ("redis://h?socket_timeout=abc", "must leave out socket_timeout"),
        ("redis://h?socket_timeout=1", "must leave out socket_timeout"),
        ("redis://h?retry_on_timeout=true", "must leave out retry_on_timeout"),
        ("redis://h?protocol=3", "must leave out protocol"),
        ("redis://h?decode_responses=True", "must leave out decode_responses"),
        ("redis://h?max_connections=1", "must leave out max_connections"),
        ("redis://h?health_check_interval=30", "must leave out health_check_interval"),
        ("redis://h?sslmode=require", "must leave out sslmode, which is not known"),
        ("redis://h?S3cret", "must leave out a parameter, which is not known"),
        ("redis://:p@h?s3cret@h", "must leave out a parameter, which is not known"),
        ("redis://h?ssl_cert_reqs=none", "must begin with rediss://"),
        ("unix://", "the absolute path of a socket"),
        ("unix:///", "the absolute path of a socket"),
        ("unix://run/redis.sock", "the absolute path of a socket"),
        ("unix:///" + "x" * 107, "at most 107 bytes"),
        ("unix:///a%00b", "at most 107 bytes"),
        ("redis+sentinel://a:26379/mymaster", "Sentinels and clusters are not supported"),
        ("redis-sentinel://a:26379/mymaster", "Sentinels and clusters are not supported"),
        ("sentinel://a", "Sentinels and clusters are not supported"),
        ("redis+cluster://a", "Sentinels and clusters are not supported"),
        ("redis://a:26379,b:26379/mymaster", "Sentinels and clusters are not supported"),
        ("redis://:s3cret@a,b", "Sentinels and clusters are not supported"),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", "none, optional or required"),
        ("rediss://h?ssl_check_hostname=perhaps", "true or false"),
        ("rediss://h?ssl_min_version=TLSv1", "TLSv1.2 or TLSv1.3"),
        ("rediss://h?ssl_ca_certs=/s3cret/none", "a ssl_ca_certs that is a file here"),
        ("rediss://h?ssl_ca_certs=%00", "a ssl_ca_certs that is a file here"),
        ("rediss://h?ssl_ca_path=/s3cret/none", "a ssl_ca_path that is a folder here"),
        ("rediss://h?ssl_ca_data=s3cret", "ssl_ca_... that are readable certificates"),
        (f"rediss://h?ssl_ca_certs={__file__}", "ssl_ca_... that are readable certificates"),
        (f"rediss://h?ssl_keyfile={TLS_FILE}", "an ssl_certfile beside its ssl_keyfile"),
        (f"rediss://h?ssl_certfile={__file__}", "ssl_certfile, ssl_keyfile, ssl_password that fit"),
        (f"rediss://h?ssl_certfile={TLS_FILE}&ssl_keyfile={__file__}", "that fit"),
        ("rediss://h?ssl_ciphers=S3CRET", "ssl_ciphers that OpenSSL knows"),
        ("rediss://h?ssl_exclude_verify_flags=X", "a list of VERIFY_... flags"),
        ("rediss://h?ssl_validate_ocsp=true", "parameters of TLS that are not known"),
        ("rediss://h?ssl_cert_reqs=", "none, optional or required"),
        ("rediss://h?ssl_password=", "a ssl_password that is not empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_without_the_address(url: str, reason: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        load_settings(None, {"DATABASE_URL": "postgresql://db/x", "REDIS_URL": url or " "})
    [problem] = raised.value.problems
    assert problem.startswith("redis.url: ")
    assert problem.endswith(" (REDIS_URL)")
    assert (reason if url else "ASCII without spaces") in problem
    assert "s3cr" not in problem.lower()


def test_an_address_must_be_given() -> None:
    with pytest.raises(ValueError, match="must be given"):
        parse_redis_url("")


def test_tls_parameters_become_what_the_driver_takes() -> None:
    found = parse_redis_url(
        f"rediss://h?ssl_ca_certs={TLS_FILE}&ssl_certfile={TLS_FILE}&ssl_check_hostname=no"
        "&ssl_min_version=771&ssl_exclude_verify_flags=VERIFY_X509_STRICT"
        "&ssl_ciphers=ECDHE-ECDSA-AES128-GCM-SHA256"
    )
    assert {
        "ssl_ca_certs": str(TLS_FILE),
        "ssl_certfile": str(TLS_FILE),
        "ssl_check_hostname": False,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        "ssl_exclude_verify_flags": [ssl.VerifyFlags.VERIFY_X509_STRICT],
        "ssl_ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256",
    } == found.tls


def test_nothing_secret_is_in_the_repr() -> None:
    shown = repr(parse_redis_url("rediss://hush1:hush2@cache?client_name=hush3"))
    assert "cache" in shown
    assert "hush" not in shown


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20)
SHAPES = [
    "redis://:{}@cache", "redis://{}:x@cache", "redis://cache:{}", "redis://:{}", "redis://cache/{}",
    "redis://cache?{}", "redis://cache?password={}", "redis://cache?{}=1", "unix://{}", "{}://cache",
    "rediss://cache?ssl_password={}", "rediss://u:x@cache?ssl_ciphers={}", "redis://[{}]", "{}",
]  # fmt: skip


@given(st.sampled_from(SHAPES), SECRETS)
def test_no_reason_shows_a_secret_wherever_it_stands(shape: str, secret: str) -> None:
    secret = "ZQ" + secret + "QZ"  # no word of a reason
    try:
        shown = repr(parse_redis_url(shape.format(secret)))
    except ValueError as error:
        shown = str(error)
        assert secret not in shown
    else:
        assert secret not in shown or "cache" not in shape


# Secrets in the texts of others.


@pytest.mark.parametrize(
    "text",
    ["{}", "got '{}'", "AUTH user {}", "a piece {:.6}", "b'{}'"],
)
@pytest.mark.parametrize(
    "form", ['pa"s#s wörd\\', "pa%22s%23s%20w%C3%B6rd%5C", "pa%22s%23s+w%C3%B6rd%5C"]
)
def test_a_text_that_shows_a_piece_of_a_secret_is_not_shown(text: str, form: str) -> None:
    shown = SecretTexts.of('pa"s#s wörd\\').clean(text.format(form))
    assert "(not shown: it repeats a part of the address)" == shown


def test_escaped_secrets_are_secrets() -> None:
    secret = 'pa"s#s wörd\\'
    for form in (repr(secret), ascii(secret), repr(secret.encode())):
        assert SecretTexts.of(secret).are_in(form)


def test_other_texts_are_shown_as_they_are() -> None:
    texts = SecretTexts.of("hush", None, "", "x")
    assert "Connection refused" == texts.clean("Connection refused")
    assert SecretTexts().clean("anything") == "anything"
