"""libpq's connection parameters, and which values it takes.

    parameter of a connection string  ->  check_parameter  ->  ValueError that names it alone

libpq looks at most of them only when it connects, and then quotes the value that it does not like.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

import os
import re
from collections.abc import Callable

HIGHEST_PORT = 65_535
HIGHEST_NUMBER = 2**31 - 1  # libpq reads an int

TEXTS = """
    host hostaddr dbname user password passfile client_encoding application_name
    fallback_application_name sslpassword requirepeer krbsrvname gsslib scram_client_key
    scram_server_key service servicefile sslkeylogfile oauth_issuer oauth_client_id
    oauth_client_secret oauth_scope
"""
NUMBERS = """
    connect_timeout keepalives keepalives_idle keepalives_interval keepalives_count
    tcp_user_timeout
"""
SWITCHES = "sslcompression sslsni gssdelegation"
FILES = "sslcert sslkey sslrootcert sslcrl"
SYSTEM = "system"  # of sslrootcert: the authorities that the system trusts
NO_VERIFY = "no-verify"  # of sslmode: node-postgres' word for libpq's "require"
TLS_VERSIONS = ("", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
CHOICES: dict[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full", NO_VERIFY),
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "load_balance_hosts": ("disable", "random"),
    # The others lead to servers that take no writes.
    "target_session_attrs": ("any", "read-write", "primary"),
    "ssl_min_protocol_version": TLS_VERSIONS,
    "ssl_max_protocol_version": TLS_VERSIONS,
    "replication": ("false", "off", "no", "0"),
    "min_protocol_version": ("3.0", "3.2", "latest"),
    "max_protocol_version": ("3.0", "3.2", "latest"),
}
AUTHENTICATIONS = frozenset(("password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"))


def is_known(name: str) -> bool:
    """True for a parameter that libpq knows."""
    return name in CHECKS


def check_parameter(name: str, value: str) -> None:
    """`ValueError` if libpq would not take the value."""
    if (problem := CHECKS[name](value)) is not None:
        raise ValueError(f"{name} {problem}")


def _check_text(_: str) -> None:
    return None


def _check_number(value: str) -> str | None:
    is_number = re.fullmatch(r"-?[0-9]{1,10}", value) and abs(int(value)) <= HIGHEST_NUMBER
    return None if is_number else "must be a whole number"


def _check_port(value: str) -> str | None:
    ports = [port for port in value.split(",") if port]
    are_ports = all(re.fullmatch(r"[0-9]{1,5}", p) and 1 <= int(p) <= HIGHEST_PORT for p in ports)
    return None if are_ports else f"must be a number from 1 to {HIGHEST_PORT}"


def _check_switch(value: str) -> str | None:
    return None if value in ("0", "1") else "must be 0 or 1"


def _check_file(value: str) -> str | None:
    is_readable = os.path.isfile(value) and os.access(value, os.R_OK)
    return None if is_readable else "names no file that can be read here"


def _check_root_certificate(value: str) -> str | None:
    return None if value == SYSTEM else _check_file(value)


def _check_directory(value: str) -> str | None:
    return None if os.path.isdir(value) else "names no directory that can be read here"


def _check_authentications(value: str) -> str | None:
    methods = [method.removeprefix("!") for method in value.split(",")]
    is_usable = AUTHENTICATIONS.issuperset(methods)
    return None if is_usable else f"must list any of {', '.join(sorted(AUTHENTICATIONS))}"


def _check_choice(choices: tuple[str, ...]) -> Callable[[str], str | None]:
    said = f"must be one of {', '.join(filter(None, choices))}"
    return lambda value: None if value in choices else said


CHECKS: dict[str, Callable[[str], str | None]] = {
    **dict.fromkeys(TEXTS.split(), _check_text),
    **dict.fromkeys(NUMBERS.split(), _check_number),
    **dict.fromkeys(SWITCHES.split(), _check_switch),
    **dict.fromkeys(FILES.split(), _check_file),
    **{name: _check_choice(choices) for name, choices in CHOICES.items()},
    "port": _check_port,
    "sslrootcert": _check_root_certificate,
    "sslcrldir": _check_directory,
    "require_auth": _check_authentications,
}
