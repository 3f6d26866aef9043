"""Redaction: no text shows a secret, whatever a driver has made of the address it stands in."""

import json
from collections.abc import Iterator
from urllib.parse import quote, urlparse

import psycopg
import pytest
import redis
from attrs import evolve, field, frozen
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from config import redaction
from config.loading import load_settings
from config.redaction import HIDDEN, find_secrets, redact_text, register_secrets
from config.settings import Settings

SERVERS = {"DATABASE_URL": "postgresql://localhost/x", "REDIS_URL": "redis://localhost"}

# With each delimiter of URLs in it, in places that lead drivers astray differently.
HOSTILE_PASSWORDS = [
    "hunter@zweiund",
    "hunter:zweiund",
    "hunter/zweiund",
    "hunter?zweiund",
    "hunter#zweiund",
    "hunter[zweiund",
    "hunter]zweiund",
    "hunter=zweiund&more=kaninchen",
    "hunter%zzweiund",
    "hunter,zweiund",
    "hunter@zwei:und/drei?vier#fuenf",
    "@hunter@",
    ":hunter:",
    "/hunter/zweiund",
    "hunter\\zweiund'kaninchen",
    'hunter"zweiund',
]
SHORT_HOSTILE_PASSWORDS = ["a@b", "a:b", "a/b", "a?b", "a#b", "ab@c", "q"]


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(redaction, "_registered", redaction._Secrets())
        yield


def settings(**environment: str) -> Settings:
    return load_settings(None, SERVERS | environment)


# What looks like a secret.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wss://host/api/data?api-key=s3cret&x=1", "wss://host/api/data?api-key=[hidden]&x=1"),
        ("postgresql://user:s3cret@host:5432/db", "postgresql://[hidden]@host:5432/db"),
        ("postgresql://user:s3@c:r/e?t#x@host/db", "postgresql://[hidden]@host/db"),
        ("redis://:s3cret@host/0", "redis://[hidden]@host/0"),
        ("password=s3cret user=me", "password=[hidden] user=me"),
        ("password=[hidden] user=me", "password=[hidden] user=me"),
        ('{"auth_token": "s3cret"}', '{"auth_token": "[hidden]"}'),
        ("Authorization: Bearer s3.cret", "Authorization: Bearer [hidden]"),
        ("TOKEN = s3cret", "TOKEN = [hidden]"),
        ("tokens=500, token_id=7", "tokens=500, token_id=7"),
        ("https://host/path?mint=abc", "https://host/path?mint=abc"),
        ("see redis://host/0 or mail me@host", "see redis://host/0 or mail me@host"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, expected: str) -> None:
    assert expected == redact_text(text)


@pytest.mark.parametrize("piece", ["a-", "_-", "://", "token ", "bearer ", "@", "://@"])
def test_hostile_text_is_searched_in_proportion_to_its_length(piece: str) -> None:
    """A search that began anew at each character would take hours here."""
    assert redact_text(piece * 300_000 + " password=s3cret").endswith(" password=[hidden]")


def test_redacting_again_changes_nothing() -> None:
    register_secrets({"hunter@zwei"})
    once = redact_text('redis://:hunter@zwei@h password="x" Bearer abc; token=x hunter')
    assert once == redact_text(once)


# The secrets of the settings.


def test_secrets_of_the_settings_are_what_their_repr_leaves_out() -> None:
    chosen = settings(
        DATABASE_URL="postgresql://me:pass-word-1@host/x?sslpassword=pass-word-2",
        REDIS_URL="redis://:pass-word-3@host",
        TOKEN_DISCOVERY__INGEST__API_KEY="key-5",
        TOKEN_DISCOVERY__GATEWAY__CONTROL_TOKEN="token-6",
        TOKEN_DISCOVERY__INGEST__POOLS_URL="wss://host/v2/alchemy-key-0007",
        TOKEN_DISCOVERY__INGEST__POOLS_RPC_URL="https://host/path/to?api-key=key-8",
        TOKEN_DISCOVERY__MARKET_DATA__URL="https://me:pass-word-9@host/latest/dex/tokens",
        TOKEN_DISCOVERY__JUPITER__API_KEY="key-10",
        TOKEN_DISCOVERY__SOL_PRICE__PYTH_API_KEY="key-11",
    )
    assert {
        "pass-word-1",
        "pass-word-2",
        "pass-word-3",
        "key-5",
        "token-6",
        "alchemy-key-0007",
        "key-8",
        "pass-word-9",
        "key-10",
        "key-11",
    } == find_secrets(chosen)


def test_settings_without_secrets_have_none_to_hide() -> None:
    assert set() == find_secrets(settings())


@frozen
class Nested:
    inner: "Inner"


@frozen
class Inner:
    pin: str = field(repr=False)


def test_settings_in_sections_are_searched() -> None:
    assert {"s3cret"} == find_secrets(Nested(Inner("s3cret")))


@pytest.mark.parametrize("password", [*HOSTILE_PASSWORDS, *SHORT_HOSTILE_PASSWORDS])
@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
def test_no_text_of_a_driver_about_a_hostile_address_shows_a_piece(
    scheme: str, password: str
) -> None:
    address = f"{scheme}://me:{password}@127.0.0.1:1/db"
    register_secrets(redaction.secrets_in_address(address))
    for text in texts_of_drivers(address):
        shown = redact_text(text)
        assert not pieces_shown(password, shown), (text, shown)


def pieces_shown(password: str, text: str) -> list[str]:
    """The pieces of a password that can be read in a text; short ones where a driver has them."""
    pieces = redaction._DELIMITERS.split(password)
    long = [piece for piece in pieces if len(piece) > 3 and piece in text]
    short = [
        piece
        for piece in pieces
        if piece and len(piece) <= 3
        if any(form in text for form in (f"'{piece}'", f'"{piece}"', f"{piece}@"))
    ]
    return long + short


def texts_of_drivers(address: str) -> Iterator[str]:
    """What libpq, redis-py and urllib say about an address, and the address itself."""
    yield f"cannot reach {address}"
    yield repr(address)
    yield json.dumps({"url": address})
    for attempt in (
        lambda: conninfo_to_dict(address),
        lambda: psycopg.connect(address, connect_timeout=2),
        lambda: redis.Redis.from_url(address, socket_connect_timeout=1).ping(),
        lambda: urlparse(address).port,
        lambda: int(address.rpartition(":")[2]),
    ):
        try:
            attempt()
        except Exception as error:
            yield str(error)
            yield repr(error)
    host = urlparse(address.replace("[", "").replace("]", "")).netloc.partition("@")[2]
    yield f"Error -2 connecting to {host}. Name or service not known."
    yield f"failed to resolve host '{host.lower()}': [Errno -2] Name or service not known"
    yield f'database "{address.rpartition("/")[2]}" does not exist'


@pytest.mark.parametrize("encoded", ["s3%40cret%2Fword", "s3@cret/word", "s3%40cret/word"])
def test_password_is_hidden_encoded_and_decoded(encoded: str) -> None:
    register_secrets({encoded})
    for form in ("s3@cret/word", "s3%40cret%2Fword", "S3@CRET/WORD"):
        assert f"it says {HIDDEN}." == redact_text(f"it says {form}.")


def test_secret_is_hidden_as_it_is_escaped_within_quotes() -> None:
    secret = 's3\\cre"t\u00e9'
    register_secrets({secret})
    for form in (repr(secret), json.dumps(secret)):
        assert "cre" not in redact_text(f"value {form}")


def test_short_secret_is_hidden_where_it_is_quoted_and_words_stay_readable() -> None:
    register_secrets({"a"})
    assert f"port '{HIDDEN}' at {HIDDEN}@host: a bad value" == redact_text(
        "port 'a' at a@host: a bad value"
    )


def test_secret_is_hidden_within_a_word() -> None:
    register_secrets({"s3cret"})
    assert f"x{HIDDEN}y" == redact_text("xs3crety")


def test_empty_secrets_hide_nothing() -> None:
    register_secrets({"", "@", ":/"})
    assert "a text" == redact_text("a text")


def test_secrets_registered_later_are_hidden_beside_the_earlier_ones() -> None:
    register_secrets({"earlier"})
    register_secrets({"newer"})
    assert f"{HIDDEN} {HIDDEN}" == redact_text("earlier newer")


passwords = st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=4, max_size=20)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=passwords, around=st.text(max_size=10))
def test_any_password_is_hidden_anywhere(password: str, around: str) -> None:
    redaction._registered = redaction._Secrets()
    register_secrets(redaction.secrets_in_address(f"redis://:{password}@host"))
    for form in (password, quote(password, safe=""), repr(password)):
        shown = redact_text(f"{around} {form} {around}")
        if password not in around and form not in HIDDEN:
            assert form not in shown


def test_evolved_settings_have_their_own_secrets() -> None:
    chosen = settings(DATABASE_URL="postgresql://me:first-one@host/x")
    changed = evolve(chosen, redis=evolve(chosen.redis, url="redis://:second-one@host"))
    assert {"first-one", "second-one"} == find_secrets(changed)
