"""The connection string of Postgres, as libpq and as Prisma write it, understood at the start.

    DATABASE_URL  ->  parse_postgres_url  ->  PostgresAddress, or ValueError without a secret in it

It is cut exactly where libpq would cut it, so that what a password with a delimiter in it makes of
a host or a port is found here, and never sent or shown. No message repeats any value.

libpq: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
Prisma: https://www.prisma.io/docs/orm/overview/databases/postgresql#arguments
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote_to_bytes

from attrs import Factory, define, field, frozen

from config.postgres_parameters import NO_VERIFY, SYSTEM, check_parameter, is_known

URL_START = re.compile(r"postgres(?:ql)?://")
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%\w+)?|[/@].+")  # a name, an IP, a socket
NAME = re.compile(r"[A-Za-z]\w*")
SETTING = re.compile(r"(?:-c|--)([A-Za-z][\w.-]*)=(.*)", re.DOTALL)
PRISMA_DEFAULT_SCHEMA = "public"  # which Prisma's tools add to every connection string
# They shape Prisma's and other drivers' pools, and mean nothing here.
IGNORED_NAMES = """
    connection_limit pool_timeout max_idle_connection_lifetime max_connection_lifetime
    statement_cache_size socket_timeout uselibpqcompat
"""
IGNORED = frozenset(IGNORED_NAMES.split())


@frozen(kw_only=True)
class PostgresAddress:
    """Where a Postgres is, and how to talk to it."""

    parameters: Mapping[str, str] = field(repr=False)  # libpq's, without `options`
    session_settings: Mapping[str, str]  # from `options` and `schema`
    routing_options: tuple[str, ...]  # words of `options` that are no settings, as Neon has them
    is_pooled: bool  # pgbouncer=true

    @property
    def options(self) -> str:
        """What libpq sends as `options` where the server itself is at the other end."""
        settings = [f"-c{name}={value}" for name, value in self.session_settings.items()]
        return " ".join(map(_escape_word, (*self.routing_options, *settings)))

    @property
    def options_for_pooler(self) -> str:
        """Likewise where a pooler is, which takes no setting there."""
        return " ".join(map(_escape_word, self.routing_options))

    @property
    def secrets(self) -> frozenset[str]:
        """What no text may show: everything but host, port, database and the search path."""
        shown = ("host", "hostaddr", "port", "dbname")
        hidden = {value for name, value in self.parameters.items() if name not in shown}
        hidden |= {v for name, v in self.session_settings.items() if name != "search_path"}
        return frozenset(hidden | set(self.routing_options)) - {""}


def parse_postgres_url(url: str) -> PostgresAddress:
    """What the connection string says; `ValueError` says what is wrong with it."""
    start = URL_START.match(url)
    if not url:
        raise ValueError("must be given")
    if start is None:
        raise ValueError("must be postgresql://user:password@host:port/database")
    if re.search(r"\s", url):
        raise ValueError("white space must be percent-encoded, a space as %20")
    address, parameters = _split_parameters(url[start.end() :])
    collected = _Collected()
    collected.take_address(address)
    collected.take_parameters(parameters)
    return collected.to_address()


def add_options(url: str, options: str) -> str:
    """The connection string with more server options, such as `-csearch_path=name`."""
    start = URL_START.match(url)
    _, parameters = _split_parameters(url[start.end() :] if start else url)
    return f"{url}{'&' if parameters else '?'}options={quote(options, safe='')}" if options else url


@define
class _Collected:
    """What has been read of a connection string."""

    parameters: dict[str, str] = Factory(dict)
    tls: dict[str, str] = Factory(dict)  # what Prisma and others say of TLS in their own words
    session_settings: dict[str, str] = Factory(dict)
    routing_options: list[str] = Factory(list)
    schema: str = ""
    is_pooled: bool = False

    def take_address(self, address: str) -> None:
        """What stands before the parameters: user, password, hosts, database."""
        credentials, hosts, database = _split_address(address)
        if "@" in hosts or "@" in database:
            raise ValueError("an @ or a / in the password must be written %40 or %2F")
        user, colon, password = credentials.partition(":")
        self._take("user", _decode(user))
        self._take("password", _decode(password) if colon else "")
        pairs = [_split_host(host) for host in hosts.split(",")]
        self._take("host", ",".join(host for host, _ in pairs))
        ports = [port for _, port in pairs]
        self._take("port", ",".join(ports) if any(ports) else "")
        self._take("dbname", _decode(database))

    def take_parameters(self, text: str) -> None:
        unknown: list[str] = []
        for name, value in _split_pairs(text):
            if name == "schema":
                self.schema = value
            elif name == "pgbouncer":
                self.is_pooled = _is_true(name, value)
            elif name == "options":
                self._take_options(value)
            elif name in ("ssl", "sslaccept", "sslidentity"):
                self.tls[name] = value
            elif is_known(name):
                self._take(name, value)
            elif name not in IGNORED:
                unknown.append(name)
        if unknown:
            raise ValueError(f"unknown parameters: {', '.join(_show_names(unknown, text))}")

    def _take(self, name: str, value: str) -> None:
        if value:
            self.parameters[name] = value

    def _take_options(self, text: str) -> None:
        for word in _split_words(text):
            if found := SETTING.fullmatch(word):
                self.session_settings[found[1].replace("-", "_").lower()] = found[2]
            elif word.startswith("-"):
                raise ValueError("options: only -cNAME=VALUE and --NAME=VALUE are understood")
            else:
                self.routing_options.append(word)

    def to_address(self) -> PostgresAddress:
        for name, value in self.parameters.items():
            check_parameter(name, value)
        _check_hosts(self.parameters)
        self._translate_tls()
        if self.schema not in ("", PRISMA_DEFAULT_SCHEMA):
            quoted = self.schema.replace('"', '""')
            self.session_settings["search_path"] = f'"{quoted}"'
        return PostgresAddress(
            parameters=self.parameters,
            session_settings=self.session_settings,
            routing_options=tuple(self.routing_options),
            is_pooled=self.is_pooled,
        )

    def _translate_tls(self) -> None:
        """Others' words for TLS into libpq's."""
        said, parameters = self.tls, self.parameters
        if "sslidentity" in said:
            raise ValueError(
                "sslidentity is a PKCS #12 file, which libpq does not read: "
                "give its certificate and key as sslcert and sslkey"
            )
        if "ssl" in said and _is_true("ssl", said["ssl"]):  # as JDBC has it
            parameters.setdefault("sslmode", "require")
        if "sslcert" in parameters and not {"sslkey", "sslrootcert"} & parameters.keys():
            # Prisma's is the certificate of an authority; libpq's, a client's, goes with a key.
            parameters["sslrootcert"] = parameters.pop("sslcert")
        accept = said.get("sslaccept", "")
        if accept not in ("", "strict", "accept_invalid_certs"):
            raise ValueError("sslaccept must be strict or accept_invalid_certs")
        if accept == "strict" and parameters.get("sslmode") != "disable":
            parameters["sslmode"] = "verify-full"
            parameters.setdefault("sslrootcert", SYSTEM)
        is_unverified = parameters.get("sslmode") == NO_VERIFY
        if is_unverified:
            parameters["sslmode"] = "require"
        if is_unverified or accept == "accept_invalid_certs":
            # With the certificate of an authority libpq would verify in spite of `require`.
            parameters.pop("sslrootcert", None)
        if parameters.get("sslrootcert") == SYSTEM:
            self._trust_system()

    def _trust_system(self) -> None:
        """Name the system's authorities: the libpq of a wheel looks where nobody puts them."""
        if self.parameters.setdefault("sslmode", "verify-full") != "verify-full":
            raise ValueError("sslrootcert=system needs sslmode=verify-full")
        self.parameters["sslrootcert"] = ssl.get_default_verify_paths().cafile or SYSTEM


# -- Where it is cut -----------------------------------------------------------------------


def _split_parameters(rest: str) -> tuple[str, str]:
    """What stands before the parameters, and they."""
    # As in libpq, a password may hold a question mark: it ends at the @ before the first slash.
    credentials_end = rest.partition("/")[0].find("@")
    question = rest.find("?", max(credentials_end, 0))
    return (rest, "") if question < 0 else (rest[:question], rest[question + 1 :])


def _split_address(address: str) -> tuple[str, str, str]:
    """Credentials, hosts and database, as written."""
    authority, _, database = address.partition("/")
    if "@" not in authority:
        return "", authority, database
    credentials, _, hosts = authority.partition("@")
    return credentials, hosts, database


def _split_host(text: str) -> tuple[str, str]:
    """A host and its port, empty where there is none."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not host or rest[:1] not in ("", ":"):
            raise ValueError("an IPv6 address must stand in brackets, [::1]:5432")
        return _decode(host), rest[1:]
    host, _, port = text.partition(":")
    return _decode(host), port


def _split_pairs(text: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, text.split("&")):
        name, equals, value = pair.partition("=")
        name = _decode(name)
        if not equals:
            raise ValueError("a parameter without a value: it must be name=value")
        if "=" in value:
            raise ValueError("an = in a parameter's value must be written %3D")
        yield name, _decode(value)


def _split_words(text: str) -> list[str]:
    """As the server splits `options`: at white space, and a backslash makes the next plain."""
    words = re.findall(r"(?:\\.|[^\\\s])+", text, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL) for word in words]


def _escape_word(word: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", word)


# -- What it may hold ----------------------------------------------------------------------


def _decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError("a % that stands for itself must be written %25")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("percent-encoded bytes that are not UTF-8") from None
    if "\0" in decoded:
        raise ValueError("contains NUL")
    return decoded


def _check_hosts(parameters: Mapping[str, str]) -> None:
    hosts = parameters.get("host", "").split(",")
    for host in filter(None, hosts):
        if not HOST.fullmatch(host):
            raise ValueError(
                "the host is no host name (a delimiter in the password must be percent-encoded)"
            )
    ports = parameters.get("port", "").split(",")
    if len(ports) not in (1, len(hosts)):
        raise ValueError("there must be one port for all hosts, or one for each")


def _is_true(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f"{name} must be true or false")
    return value == "true"


def _show_names(names: list[str], text: str) -> list[str]:
    """Names, unless they may be the rest of a password."""
    is_whole = "@" not in text
    return [name if is_whole and NAME.fullmatch(name) else "(not a name)" for name in names]
