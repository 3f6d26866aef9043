"""The address of the Redis server, understood as a whole.

    REDIS_URL  ->  parse_redis_url  ->  RedisAddress, or ValueError without any part of it

    redis://[[user]:password@]host[:port][/database][?parameters]
    rediss://...                                        the same over TLS, with ssl_... parameters
    unix://[[user]:password@]/path/of/the/socket[?db=database]

The names are those of redis-py, which would take any parameter, forgive a database that is no
number, and fail at the first connection. One server is meant, or whatever answers at its address:
neither Sentinels nor a cluster, for the buffer's scripts use keys of several slots.
Syntax: RFC 3986, section 3, and https://www.iana.org/assignments/uri-schemes/prov/redis
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from attrs import Factory, field, frozen

from config.redis_tls import PUBLIC_PARAMETERS, read_tls_parameters
from config.secrets import SecretTexts
from config.web_address import LONGEST_ADDRESS, VISIBLE, require_host

DEFAULT_HOST, DEFAULT_PORT = "localhost", 6379  # as redis-cli and redis-py have them
LONGEST_SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without the final zero
GREATEST_DATABASE = 2**31 - 1  # the server's own bound is its setting `databases`

SCHEMES = ("redis", "rediss", "unix")
ADDRESS = re.compile(
    r"""(?P<scheme>[a-z]+)://
    (?:(?P<credentials>[^/?#]*)@)?          # up to the last @
    (?P<host>\[[^][/?#@]*]|[^][/?#@:]*)
    (?P<port>:[^/?#@]*)?
    (?P<path>/[^?#]*)?
    (?P<query>\?[^#]*)?""",
    re.VERBOSE,
)
PORT = re.compile(r":0*[0-9]{1,5}")
DATABASE = re.compile(r"[0-9]{1,10}")
PARAMETER_NAME = re.compile(r"[a-z][a-z_]{0,39}")
SENTINELS = re.compile(r"(?i)[a-z+-]*(?:sentinel|cluster)[a-z+-]*://|[^/?#]*://[^/?#]*,")

TLS_PREFIX = "ssl_"
# What redis-py would take, and this service decides.
OWN_NAMES = """
    socket_timeout socket_connect_timeout socket_keepalive socket_keepalive_options
    socket_read_size socket_type timeout retry retry_on_timeout retry_on_error max_connections
    health_check_interval protocol legacy_responses decode_responses encoding encoding_errors
    encoder_class parser_class connection_class connection_pool queue_class redis_connect_func
    credential_provider single_connection_client cache cache_config event_dispatcher
    maint_notifications_config lib_name lib_version driver_info host port path family
"""
OWN_PARAMETERS = frozenset(OWN_NAMES.split())


@frozen(kw_only=True)
class RedisAddress:
    """Where the server is and how to log in; a Unix socket has a path in place of a host."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    socket_path: str = field(default="")  # empty: TCP
    database: int = 0
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    client_name: str | None = field(default=None, repr=False)
    tls: Mapping[str, Any] | None = field(default=None, repr=False)  # for redis-py; None: without
    secrets: SecretTexts = field(default=Factory(SecretTexts), repr=False)  # no log may show them


def parse_redis_url(url: str) -> RedisAddress:
    """The address; `ValueError` says what is wrong with it, and repeats none of it."""
    parts = _split(url)
    _require_whole_credentials(parts)
    user, password = _credentials(parts["credentials"])
    parameters = _parameters(parts["query"], with_tls=parts["scheme"] == "rediss")
    user = _only_one("user", user, parameters.pop("username", None))
    password = _only_one("password", password, parameters.pop("password", None))
    database = parameters.pop("db", None)
    client_name = parameters.pop("client_name", None)
    private = [text for name, text in parameters.items() if name not in PUBLIC_PARAMETERS]
    secrets = SecretTexts.of(user, password, client_name, parts["credentials"], *private)
    place = _socket(parts) if parts["scheme"] == "unix" else _server(parts)
    in_path = place.pop("database", None)
    return RedisAddress(
        **place,
        database=_database(_only_one("database", in_path, database)),
        user=user,
        password=password,
        client_name=client_name,
        tls=read_tls_parameters(parameters) if parts["scheme"] == "rediss" else None,
        secrets=secrets,
    )


def _split(url: str) -> dict[str, str]:
    if not url:
        raise ValueError("must be given")
    if len(url) > LONGEST_ADDRESS:
        raise ValueError(f"must have at most {LONGEST_ADDRESS} characters")
    if not VISIBLE.fullmatch(url):
        raise ValueError("must be ASCII without spaces: the rest is written %XX")
    if SENTINELS.match(url):
        raise ValueError(
            "must name one server: Sentinels and clusters are not supported. "
            "Give the address at which the current master always answers"
        )
    if not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise ValueError("must begin with redis:// or rediss:// or unix://")
    if "#" in url:
        raise ValueError("must not have a fragment; a # within a password is written %23")
    found = ADDRESS.fullmatch(url)
    if found is None:
        raise ValueError("must have a host that is a name or an IP address, IPv6 in brackets")
    return {name: part or "" for name, part in found.groupdict().items()}


def _require_whole_credentials(parts: Mapping[str, str]) -> None:
    """A password with a slash or a question mark would end the host before its @."""
    if not parts["credentials"] and "@" in parts["path"] + parts["query"]:
        raise ValueError("must have a / or ? within the password written %2F or %3F")


def _credentials(text: str) -> tuple[str | None, str | None]:
    user, _, password = text.partition(":")
    return _decoded(user) or None, _decoded(password) or None


def _parameters(query: str, *, with_tls: bool) -> dict[str, str]:
    try:
        pairs = parse_qsl(query[1:], keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise ValueError("must have parameters whose %XX are UTF-8") from error
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise ValueError("must have no parameter twice")
        _require_usable(name, with_tls=with_tls, is_shown="@" not in query)
        parameters[name] = value
    return parameters


def _require_usable(name: str, *, with_tls: bool, is_shown: bool) -> None:
    if name in OWN_PARAMETERS:
        raise ValueError(f"must leave out {name}, which the service decides (section redis)")
    if name in ("db", "username", "password", "client_name"):
        return
    if not name.startswith(TLS_PREFIX):
        # What stands there may be the rest of a password that has a question mark.
        shown = name if is_shown and PARAMETER_NAME.fullmatch(name) else "a parameter"
        raise ValueError(f"must leave out {shown}, which is not known")
    if not with_tls:
        raise ValueError("must begin with rediss:// to have parameters of TLS")


def _server(parts: Mapping[str, str]) -> dict[str, Any]:
    host, port, database = parts["host"], parts["port"], parts["path"].removeprefix("/")
    if port and not (PORT.fullmatch(port) and 1 <= int(port[1:]) <= 65535):
        raise ValueError("must have a port from 1 to 65535, in digits, or none")
    if port and not host:
        raise ValueError("must have a host")
    if host:
        require_host(host)
    place: dict[str, Any] = {"host": host.strip("[]") or DEFAULT_HOST}
    if port:
        place["port"] = int(port[1:])
    if database:
        place["database"] = database
    return place


def _socket(parts: Mapping[str, str]) -> dict[str, Any]:
    path = _decoded(parts["path"])
    if parts["host"] or parts["port"] or path in ("", "/"):
        raise ValueError("must have the absolute path of a socket: unix:///...")
    if "\0" in path or len(path.encode()) > LONGEST_SOCKET_PATH_BYTES:
        raise ValueError(f"must have a path of at most {LONGEST_SOCKET_PATH_BYTES} bytes")
    return {"socket_path": path}


def _database(text: str | None) -> int:
    if text is None:
        return 0
    if not (DATABASE.fullmatch(text) and int(text) <= GREATEST_DATABASE):
        raise ValueError("must have a database that is a number in digits, or none")
    return int(text)


def _only_one(what: str, one: str | None, other: str | None) -> str | None:
    if one is not None and other is not None and one != other:
        raise ValueError(f"must not have two different values for the {what}")
    return other if one is None else one


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("must have only UTF-8 in its %XX") from error
