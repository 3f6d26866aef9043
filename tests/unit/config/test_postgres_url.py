"""The connection string means what libpq and Prisma take it for, or is refused without a secret."""

import ssl
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from config.loading import load_settings
from config.postgres_url import add_options, parse_postgres_url
from domain.errors import SettingsInvalid

T = {"dbname": "t"}
AUTHORITIES = ssl.get_default_verify_paths().cafile


def parameters_of(url: str) -> dict[str, str]:
    return dict(parse_postgres_url(url).parameters)


def problem_of(url: str) -> str:
    """The one line that the start ends with."""
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(None, {"DATABASE_URL": url, "REDIS_URL": "redis://cache"})
    [problem] = refused.value.lines()
    assert "\n" not in problem
    return problem


# -- As libpq reads it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://", {}),
        ("postgres://db", {"host": "db"}),
        ("postgresql:///tokens", {"dbname": "tokens"}),
        (
            "postgresql://u%40x:p%2Fw%3F%23%25%20@db:6543/my%20db",
            {
                "user": "u@x",
                "password": "p/w?#% ",
                "host": "db",
                "port": "6543",
                "dbname": "my db",
            },
        ),
        (
            "postgresql://u:what?secret#:'\"@db/t",
            {"user": "u", "password": "what?secret#:'\"", "host": "db", "dbname": "t"},
        ),
        ("postgresql://[2001:db8::1]:5433/t", {"host": "2001:db8::1", "port": "5433"} | T),
        ("postgresql://%2Frun%2Fpg/t", {"host": "/run/pg", "dbname": "t"}),
        ("postgresql://a:1,b/t", {"host": "a,b", "port": "1,", "dbname": "t"}),
        ("postgresql://a,b:2,[::1]/t", {"host": "a,b,::1", "port": ",2,", "dbname": "t"}),
        (
            "postgresql://a/t?host=b&port=7&user=x@y",
            {"host": "b", "port": "7", "user": "x@y", "dbname": "t"},
        ),
        (
            "postgresql://db?connect_timeout=3&keepalives=0&target_session_attrs=read-write",
            {
                "host": "db",
                "connect_timeout": "3",
                "keepalives": "0",
                "target_session_attrs": "read-write",
            },
        ),
    ],
)  # fmt: skip
def test_a_connection_string_is_cut_where_libpq_cuts_it(url: str, expected: dict[str, str]) -> None:
    assert expected == parameters_of(url) == conninfo_to_dict(url)


PIECES = st.text("ab1:@/?#%&=,[].-_ \u00e9", max_size=12)


@given(PIECES, PIECES, PIECES)
def test_whatever_is_taken_means_the_same_to_libpq(first: str, second: str, third: str) -> None:
    url = f"postgresql://{first}{second}{third}"
    try:
        understood = parse_postgres_url(url)
    except ValueError:
        return
    assert conninfo_to_dict(url) == understood.parameters


@given(st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text))
def test_any_password_can_be_written(password: str) -> None:
    url = f"postgresql://u:{quote(password, safe='')}@db/t"
    assert parameters_of(url)["password"] == password


def test_options_become_settings_and_routing() -> None:
    options = quote(r"endpoint=ep-1 -c jit=off --lock-timeout=5s -csearch_path=my\ tokens", safe="")
    address = parse_postgres_url(f"postgresql://db/t?options={options.replace('-c%20', '-c')}")
    assert address.session_settings == {
        "jit": "off",
        "lock_timeout": "5s",
        "search_path": "my tokens",
    }
    assert address.options_for_pooler == "endpoint=ep-1"
    assert address.options == r"endpoint=ep-1 -cjit=off -clock_timeout=5s -csearch_path=my\ tokens"


def test_more_options_are_added_to_those_that_are_there() -> None:
    url = "postgresql://u:what?x@db/t"
    assert add_options(url, "") == url
    once = add_options(url, "-cjit=off")
    twice = add_options(once, "-csearch_path=own")
    assert conninfo_to_dict(once)["options"] == "-cjit=off"
    assert parse_postgres_url(twice).session_settings == {"jit": "off", "search_path": "own"}


# -- As Prisma and others write it ---------------------------------------------------------


def test_what_shapes_prismas_pool_is_ignored_and_its_pooler_is_heeded() -> None:
    own = "schema=public&connection_limit=5&pool_timeout=10&statement_cache_size=0"
    address = parse_postgres_url(f"postgresql://user:secret@db:5432/tokens?{own}&pgbouncer=true")
    plain = parse_postgres_url("postgresql://user:secret@db:5432/tokens")
    assert (address.is_pooled, plain.is_pooled) == (True, False)
    assert (address.parameters, address.options) == (plain.parameters, "")
    assert not parse_postgres_url("postgresql://db/t?pgbouncer=false").is_pooled


def test_a_schema_becomes_the_search_path() -> None:
    address = parse_postgres_url('postgresql://db/t?schema=My%20"tokens"&options=-cjit%3Doff')
    assert address.session_settings == {"jit": "off", "search_path": '"My ""tokens"""'}
    assert address.options == r'-cjit=off -csearch_path="My\ ""tokens"""'


def tls_of(parameters: str) -> dict[str, str]:
    return {
        name: value
        for name, value in parameters_of(f"postgresql://db/t?{parameters}").items()
        if name.startswith("ssl")
    }


def test_the_words_of_others_for_tls_are_translated(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    file.touch()
    assert tls_of("ssl=true") == {"sslmode": "require"}
    assert tls_of("ssl=true&sslmode=verify-ca") == {"sslmode": "verify-ca"}
    assert tls_of("sslmode=no-verify") == {"sslmode": "require"}
    assert tls_of(f"sslmode=no-verify&sslrootcert={file}") == {"sslmode": "require"}
    assert tls_of(f"sslmode=require&sslcert={file}") == {
        "sslmode": "require",
        "sslrootcert": str(file),
    }
    assert tls_of(f"sslcert={file}&sslaccept=accept_invalid_certs") == {}
    assert tls_of(f"sslcert={file}&sslaccept=strict") == {
        "sslmode": "verify-full",
        "sslrootcert": str(file),
    }
    assert tls_of("sslmode=disable&sslaccept=strict") == {"sslmode": "disable"}
    # libpq's own certificate of a client.
    client = {"sslcert": str(file), "sslkey": str(file), "sslpassword": "x"}
    assert tls_of(f"sslcert={file}&sslkey={file}&sslpassword=x") == client


@pytest.mark.skipif(AUTHORITIES is None, reason="this system lists no authorities")
@pytest.mark.parametrize("parameters", ["sslrootcert=system", "sslmode=require&sslaccept=strict"])
def test_the_systems_authorities_are_named(parameters: str) -> None:
    assert tls_of(parameters) == {"sslmode": "verify-full", "sslrootcert": AUTHORITIES}


# -- What is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://user:hush@db:wordy/t", "port must be a number from 1 to 65535"),
        ("postgresql://user:hush@db:65536/t", "port must be a number from 1 to 65535"),
        ("postgresql://user:hush@db:0/t", "port must be a number from 1 to 65535"),
        ("postgresql://user:hush@a,b:wordy/t", "port must be a number from 1 to 65535"),
        ("postgresql://user:hush@a,b/t?port=1,2,3", "one port for all hosts, or one for each"),
        ("postgresql://db/t?sslmode=hush", "sslmode must be one of disable, allow"),
        ("postgresql://db/t?connect_timeout=hush", "connect_timeout must be a whole number"),
        ("postgresql://db/t?keepalives_idle=9999999999", "keepalives_idle must be a whole number"),
        ("postgresql://db/t?target_session_attrs=standby", "target_session_attrs must be one of"),
        ("postgresql://db/t?channel_binding=hush", "channel_binding must be one of"),
        ("postgresql://db/t?require_auth=hush", "require_auth must list any of"),
        ("postgresql://db/t?sslrootcert=/hush", "sslrootcert names no file"),
        ("postgresql://db/t?sslcert=/hush", "sslcert names no file"),
        ("postgresql://db/t?sslmode=prefer&sslrootcert=system", "needs sslmode=verify-full"),
        ("postgresql://db/t?sslidentity=hush.p12&sslpassword=hush", "sslidentity is a PKCS #12"),
        ("postgresql://db/t?sslaccept=hush", "sslaccept must be strict or accept_invalid_certs"),
        ("postgresql://db/t?ssl=hush", "ssl must be true or false"),
        ("postgresql://db/t?pgbouncer=hush", "pgbouncer must be true or false"),
        ("postgresql://db/t?hush", "must be name=value"),
        ("postgresql://db/t?user=hu=sh", "must be written %3D"),
        ("postgresql://db/t?options=-hush", "options: only -cNAME=VALUE"),
        ("postgresql://[hush/t", "must stand in brackets"),
        ("postgresql://h%20ush/t", "the host is no host name"),
        ("postgresql://hush%ff/t", "not UTF-8"),
        ("postgresql://u:hush%00@db/t", "contains NUL"),
        ("postgresql://user:hush @db/t", "white space must be percent-encoded"),
        ("postgresql://user:hush@db/t\n", "white space must be percent-encoded"),
        ("mysql://user:hush@db/t", "must be postgresql://"),
        ("host=db password=hush", "must be postgresql://"),
        ("", "must be given"),
    ],
)
def test_what_libpq_would_not_take_is_told_in_one_line(url: str, reason: str) -> None:
    problem = problem_of(url)
    assert problem.startswith("postgres.url: ")
    assert reason in problem
    assert "hu" not in problem


PASSWORDS = [
    "hush@hush", "hush/hush", "hush/hush@hush", "12/hush", "hush@hush/hush", "hu%sh",
    "hush@hush?sslmode=hush", "hush@5432?hush=hush", "hush/hush?hush=hush", "hush@hush:hush",
    "hush@hush,hush", "@hush", "/hush", "hush[/hush]",
]  # fmt: skip


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_with_a_delimiter_is_refused_and_no_piece_of_it_is_shown(password: str) -> None:
    assert "hu" not in problem_of(f"postgresql://hum:{password}@db.example/tokens?hum=1")


def refusal_of(url: str) -> str:
    with pytest.raises(ValueError, match=r"\w") as refused:
        parse_postgres_url(url)
    return str(refused.value)


@given(st.text(min_size=1, max_size=10))
def test_no_password_is_ever_shown(text: str) -> None:
    secret = f"\u20ac{text}\u20ac"
    url = f"postgresql://user:{secret}@db.example/t?sslmode={secret}"
    assert "\u20ac" not in refusal_of(url)


def test_secrets_are_everything_that_no_text_may_show() -> None:
    options = "options=-crole%3Dboss%20e1"
    address = parse_postgres_url(f"postgresql://me:hush@db/t?sslpassword=key&schema=own&{options}")
    assert address.secrets == {"me", "hush", "key", "boss", "e1"}
    assert "hush" not in repr(address)


def test_psycopg_takes_what_is_understood() -> None:
    """Also where nobody listens, a bad parameter would be told first."""
    url = "postgresql://u:p@127.0.0.1:1/t?connect_timeout=1&sslmode=no-verify&keepalives_idle=5"
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(**parameters_of(url))  # type: ignore[arg-type]
