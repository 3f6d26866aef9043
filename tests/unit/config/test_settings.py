"""Settings: three layers, every problem at once, and no secret in sight."""

import re
import tomllib
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.layers import DEFAULTS_FILE
from config.loading import changed_names, load_gateway_settings, load_settings, reloaded
from config.settings import Settings
from config.web_address import without_credentials
from domain.errors import SettingsInvalid

REQUIRED = {"DATABASE_URL": "postgresql://db/tokens", "REDIS_URL": "redis://cache"}
DEFAULTS = tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8"))


def load(file: Path | None = None, **environment: str) -> Settings:
    return load_settings(file, REQUIRED | environment)


def problems(file: Path | None = None, **environment: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as error:
        load_settings(file, REQUIRED | environment)
    return error.value.problems


def names_with_fields() -> set[tuple[str, str]]:
    return {
        (section.name, setting.name)
        for section in attrs.fields(Settings)
        for setting in attrs.fields(section.type)  # type: ignore[arg-type]
    }


# The list of settings.


def test_every_default_has_a_field_and_every_field_a_default() -> None:
    in_file = {(section, name) for section, values in DEFAULTS.items() for name in values}
    assert in_file == names_with_fields()


def test_every_default_says_what_it_means() -> None:
    """A comment at its line, or a name that is its own unit."""
    lines = DEFAULTS_FILE.read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if re.match(r"\w+ = ", line)]
    bare = [line.split(" = ")[0] for line in settings if "#" not in line]
    assert all(re.search(r"_(seconds|minute|longest_seconds)$|^(host|port)$", n) for n in bare)


def test_defaults_are_those_of_the_contract() -> None:
    settings = load()
    assert "wss://pumpportal.fun/api/data" == settings.ingest.url
    assert (0.05, 60) == (settings.ingest.commit_delay_seconds, settings.ingest.silence_seconds)
    assert (300, 500) == (settings.market_data.interval_seconds, settings.market_data.tokens)
    holders = settings.holder_count
    assert ("jupiter", 600, 100) == (holders.provider, holders.interval_seconds, holders.tokens)
    score = settings.hot_score
    assert (900, 500, 1800) == (score.interval_seconds, score.tokens, score.half_life_seconds)
    activity = settings.activity
    assert (600, 300) == (activity.idle_after_seconds, activity.watchers_interval_seconds)
    assert (300, 1000) == (settings.sync.interval_seconds, settings.sync.batch_rows)
    assert ("127.0.0.1", 8080) == (settings.gateway.host, settings.gateway.port)
    assert 8 == settings.shutdown.deadline_seconds


def test_holders_over_rpc_need_an_address() -> None:
    assert [
        'holder_count.url: provider "rpc" needs an address here, or in ingest.chain_rpc_url '
        "(TOKEN_DISCOVERY__HOLDER_COUNT__PROVIDER)"
    ] == problems(TOKEN_DISCOVERY__HOLDER_COUNT__PROVIDER="rpc")
    for variable, scheme in (
        ("TOKEN_DISCOVERY__HOLDER_COUNT__URL", "https"),
        ("SOLANA_RPC_URL", "https"),
        ("SOLANA_WS_URL", "wss"),
    ):
        chosen = {
            "TOKEN_DISCOVERY__HOLDER_COUNT__PROVIDER": "rpc",
            variable: f"{scheme}://rpc.test",
        }
        settings = load_settings(None, REQUIRED | chosen)
        assert "https://rpc.test" == settings.holder_rpc_url


# Layers.


def test_environment_lies_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[sync]\ninterval_seconds = 60\nbatch_rows = 10\n")
    settings = load(file, TOKEN_DISCOVERY__SYNC__BATCH_ROWS="20")
    assert 60.0 == settings.sync.interval_seconds
    assert 20 == settings.sync.batch_rows
    assert DEFAULTS["sync"]["append_updates"] == settings.sync.append_updates


def test_conventional_variables_win_over_the_file_and_yield_to_the_settings_own(
    tmp_path: Path,
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        '[gateway]\nhost = "10.0.0.1"\nport = 7000\n[postgres]\nurl = "postgres://file"'
    )
    settings = load(file, PORT="9000", TOKEN_DISCOVERY__POSTGRES__URL="postgres://own")
    assert ("10.0.0.1", 9000) == (settings.gateway.host, settings.gateway.port)
    assert ("postgres://own", "redis://cache") == (settings.postgres.url, settings.redis.url)


def test_empty_conventional_variable_is_none() -> None:
    assert 8080 == load(PORT="").gateway.port


def test_zero_is_a_value() -> None:
    """Defect 5: falsy checks dropped zeros."""
    settings = load(
        TOKEN_DISCOVERY__GATEWAY__PORT="0",
        TOKEN_DISCOVERY__INGEST__TRADE_SUBSCRIPTIONS="0",
        TOKEN_DISCOVERY__INGEST__COMMIT_DELAY_SECONDS="0",
    )
    ingest = settings.ingest
    assert (0, 0) == (settings.gateway.port, ingest.trade_subscriptions)
    assert 0.0 == ingest.commit_delay_seconds


@given(st.floats(0.001, 1e6), st.integers(1, 100_000))
def test_numbers_of_the_environment_arrive_as_they_are(seconds: float, rows: int) -> None:
    settings = load(
        TOKEN_DISCOVERY__SYNC__INTERVAL_SECONDS=repr(seconds),
        TOKEN_DISCOVERY__SYNC__BATCH_ROWS=str(rows),
    )
    assert (settings.sync.interval_seconds, settings.sync.batch_rows) == (seconds, rows)


# Problems.


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('stray = 1\n[sync]\nbatch_rows = "many"\nno_such_name = 1\n[nowhere]\nx = 1\n')
    found = problems(
        file,
        DATABASE_URL="mysql://db",
        TOKEN_DISCOVERY__GATEWAY__PORT="70000",
        TOKEN_DISCOVERY__HOT_SCORE__HALF_LIFE_SECONDS="-1",
        TOKEN_DISCOVERY__LOGGING__LEVEL="loud",
        TOKEN_DISCOVERY__SYNK__INTERVAL_SECONDS="1",
    )
    named = [problem.split(":")[0] for problem in found]
    assert [
        "gateway.port",
        "hot_score.half_life_seconds",
        "logging.level",
        "nowhere.x",
        "postgres.url",
        "stray",
        "sync.batch_rows",
        "sync.no_such_name",
        "synk.interval_seconds",
    ] == named


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SYNC__INTERVAL_SECONDS", "nan"),
        ("SYNC__INTERVAL_SECONDS", "inf"),
        ("SYNC__INTERVAL_SECONDS", "0"),
        ("SYNC__INTERVAL_SECONDS", "soon"),
        ("SYNC__BATCH_ROWS", "1.5"),
        ("SYNC__BATCH_ROWS", "0"),
        ("SYNC__BATCH_ROWS", ""),
        ("GATEWAY__HOST", ""),
        ("INGEST__URL", "https://pumpportal.fun"),
        ("HOLDER_COUNT__PROVIDER", "helius"),
        ("METADATA__GATEWAYS", "https://a.example/ipfs/ ipfs.io"),
        ("METADATA__GATEWAYS", "ftp://a.example/ipfs/"),
        ("METADATA__TRUSTED_ORIGINS", "127.0.0.1:8080"),
        ("METADATA__TRUSTED_ORIGINS", "http://127.0.0.1:8080/path"),
        ("METADATA__TRUSTED_ORIGINS", "http://a.example http://b.example:http"),
        ("IMAGES__CACHE_BYTES", "0"),
        ("SYNC", "1"),
    ],
)
def test_bad_value_is_a_problem_that_names_its_variable(variable: str, value: str) -> None:
    [problem] = problems(None, **{f"TOKEN_DISCOVERY__{variable}": value})
    assert f"(TOKEN_DISCOVERY__{variable})" in problem


def test_missing_servers_are_problems() -> None:
    with pytest.raises(SettingsInvalid) as error:
        load_settings(None, {})
    assert [
        "postgres.url: must be given (default.toml)",
        "redis.url: must be given (default.toml)",
    ] == error.value.problems


@pytest.mark.parametrize("content", [None, b"[sync\n", b"\xff"], ids=["absent", "broken", "binary"])
def test_unreadable_file_is_one_problem(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_bytes(content)
    [problem] = problems(file)
    assert str(file) in problem


# Secrets.


def test_secrets_are_not_in_the_repr() -> None:
    settings = load(
        DATABASE_URL="postgresql://user:hush1@db/tokens?password=hush2",
        REDIS_URL="redis://:hush3@cache",
        TOKEN_DISCOVERY__INGEST__API_KEY="hush4",
        TOKEN_DISCOVERY__INGEST__POOLS_URL="wss://rpc.example/?api-key=hush5",
        TOKEN_DISCOVERY__HOLDER_COUNT__URL="https://user:hush6@rpc.example",
    )
    assert "hush" not in repr(settings) + str(settings)
    assert "db/tokens" in repr(settings)


def test_secrets_are_not_in_a_problem() -> None:
    found = problems(DATABASE_URL="mysql://user:hush@db/tokens?password=hush")
    assert "hush" not in "".join(found)


def test_bad_value_beside_a_secret_does_not_show_it() -> None:
    found = problems(TOKEN_DISCOVERY__INGEST__POOLS_URL="rpc.example/?api-key=hush")
    assert "hush" not in "".join(found)


def test_key_of_the_wrong_type_is_not_in_the_problem(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[ingest]\napi_key = 271828\n")
    [problem] = problems(file)
    assert "ingest.api_key: must be text in quotes" in problem
    assert "271828" not in problem


@given(st.text(min_size=1, max_size=20), st.sampled_from(["", "?", "?sslmode=require", "?key=@"]))
def test_address_without_credentials_holds_none(password: str, query: str) -> None:
    """Whatever is in the password, also what ought to be quoted there."""
    secret = f"<{password}>"
    shown = without_credentials(f"postgresql://user:{secret}@db.example/tokens{query}")
    assert secret not in shown
    assert "user" not in shown


def test_path_of_a_provider_may_be_its_key() -> None:
    assert "https://rpc.example/…?…" == without_credentials("https://rpc.example/v2/hush?x=y")
    assert "wss://rpc.example/" == without_credentials("wss://rpc.example/")
    assert "postgresql://…@db/tokens" == without_credentials("postgresql://u:p@db/tokens")


# Reloading.


def test_reload_tells_what_can_change_from_what_cannot() -> None:
    old = load()
    new = load(TOKEN_DISCOVERY__LOGGING__LEVEL="debug", TOKEN_DISCOVERY__GATEWAY__PORT="9")
    assert (["logging.level"], ["gateway.port"]) == changed_names(old, new)
    assert ([], []) == changed_names(old, old)
    expected = load(TOKEN_DISCOVERY__LOGGING__LEVEL="debug")
    assert expected == reloaded(old, new)


def test_gateway_settings_are_read_without_any_store(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[gateway]\nport = 1234\n")
    gateway = load_gateway_settings(file, {"HOST": "0.0.0.0"})  # asks nobody
    assert ("0.0.0.0", 1234) == (gateway.host, gateway.port)
    with pytest.raises(SettingsInvalid):
        load_gateway_settings(None, {"PORT": "http"})


# The connection string; see also test_postgres_url.py.


def test_the_connection_string_stays_as_it_was_given() -> None:
    url = "postgresql://user:what?secret@db/tokens?schema=own&pgbouncer=true"
    assert url == load(DATABASE_URL=url).postgres.url


def test_unknown_parameters_of_the_connection_string_are_named_with_all_other_problems() -> None:
    found = problems(DATABASE_URL="postgresql://u:s3cret@db/t?schema=x&foo=1&bar=2", PORT="http")
    assert "postgres.url: unknown parameters: foo, bar (DATABASE_URL)" in found
    assert 2 == len(found)


@pytest.mark.parametrize("host", ["::", "[::]", "0::0"])
def test_the_host_has_one_canonical_form(host: str) -> None:
    assert "::" == load(HOST=host).gateway.host
    assert "::" == load_gateway_settings(None, {"HOST": host}).host


@pytest.mark.parametrize("host", ["[::", "1.2.3", "a b", "http://localhost"])
def test_a_host_that_nobody_can_listen_on_is_a_problem(host: str) -> None:
    reason = "gateway.host: must be an IP address or a host name"
    assert [f"{reason} (HOST)"] == problems(HOST=host)


# The gateway's visitors.


def gateway_file(directory: Path, line: str) -> Path:
    file = directory / "settings.toml"
    file.write_text(f"[gateway]\n{line}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "origins",
    ["", "*", " * ", "https://app.example.com", "https://app.example.com\n http://[::1]:3000 "],
)
def test_allowed_origins_are_a_list_or_an_asterisk(origins: str) -> None:
    settings = load(TOKEN_DISCOVERY__GATEWAY__ALLOWED_ORIGINS=origins)
    assert origins == settings.gateway.allowed_origins


@pytest.mark.parametrize(
    ("origins", "reason"),
    [
        ("app.example.com", "must begin with https:// or http://"),
        ("null", "must begin with https:// or http://"),
        ("https://a, https://b", "must be origins separated by spaces"),
        ("https://*.example.com", "must have a host that is a name or an IP address"),
        ("https://app.example.com/", "must be origins, without a path: https://host:port"),
        ("https://app.example.com?a", "must be a base address, without a query"),
        ("https://me:secret@example.com", "must be origins, without a user: https://host:port"),
        ("https://app.example.com:99999", "must have a port from 1 to 65535, in digits, or none"),
        ("https://app.example.com *", "must be origins, or * alone"),
        ("* *", "must be origins, or * alone"),
        ("https://bücher.example", "must be ASCII without spaces: a host as xn--..., the rest"),
    ],
)
def test_what_is_no_origin_is_refused_in_one_line(origins: str, reason: str) -> None:
    [problem] = problems(TOKEN_DISCOVERY__GATEWAY__ALLOWED_ORIGINS=origins)
    assert problem.startswith(f"gateway.allowed_origins: {reason}")


def test_a_toml_list_of_origins_is_refused_in_one_line(tmp_path: Path) -> None:
    [problem] = problems(gateway_file(tmp_path, 'allowed_origins = ["https://a"]'))
    assert problem.startswith("gateway.allowed_origins: must be text in quotes (")


def test_operators_port_is_another_one_than_the_gateways(tmp_path: Path) -> None:
    file = gateway_file(tmp_path, "ops_port = 9090")
    assert [f"gateway.ops_port: must be another port than gateway.port ({file})"] == problems(
        file, PORT="9090"
    )
    assert 9090 == load(file).gateway.ops_port
    assert 0 == load(PORT="0").gateway.ops_port
