"""The connection string of Postgres, as libpq and as Prisma write it.

    DATABASE_URL with Prisma's parameters  ->  libpq_url  ->  postgres.url as libpq takes it

Prisma's own parameters shape its pool and its driver, and mean nothing here; only `schema` does.
libpq's: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
Prisma's: https://www.prisma.io/docs/orm/overview/databases/postgresql#arguments
"""

import re
from urllib.parse import quote, unquote

PRISMA_SCHEMA, PRISMA_DEFAULT_SCHEMA = "schema", "public"
PRISMA_NAMES = """
    connection_limit pool_timeout pgbouncer statement_cache_size socket_timeout sslaccept
"""
LIBPQ_NAMES = """
    host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout
    client_encoding options application_name fallback_application_name keepalives keepalives_idle
    keepalives_interval keepalives_count tcp_user_timeout replication gssencmode sslmode ssl
    sslnegotiation sslcompression sslcert sslkey sslkeylogfile sslpassword sslcertmode sslrootcert
    sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version
    min_protocol_version max_protocol_version krbsrvname gsslib gssdelegation scram_client_key
    scram_server_key service target_session_attrs load_balance_hosts oauth_issuer oauth_client_id
    oauth_client_secret oauth_scope
"""
PRISMA_PARAMETERS = frozenset(PRISMA_NAMES.split())
LIBPQ_PARAMETERS = frozenset(LIBPQ_NAMES.split())
NAME = re.compile(r"[A-Za-z]\w*")


def libpq_url(url: str) -> str:
    """The same address for libpq: without Prisma's parameters, its schema as the search path."""
    address, parameters = _split(url)
    schema, options, kept = "", "", []
    for name, value in parameters:
        if name == PRISMA_SCHEMA:
            schema = unquote(value)
        elif name == "options":
            options = unquote(value)
        elif name not in PRISMA_PARAMETERS:
            kept.append((name, value))
    if schema not in ("", PRISMA_DEFAULT_SCHEMA):
        options = f"{options} -csearch_path={_escaped(schema)}".strip()
    if options:
        kept.append(("options", quote(options, safe="")))
    return address + ("?" if kept else "") + "&".join(f"{name}={value}" for name, value in kept)


def unknown_parameters(url: str) -> str:
    """The parameters that neither libpq nor Prisma knows; what is no name is not repeated."""
    known = LIBPQ_PARAMETERS | PRISMA_PARAMETERS | {PRISMA_SCHEMA}
    names = [name for name, _ in _split(url)[1] if name not in known]
    return ", ".join(name if NAME.fullmatch(name) else "(not a name)" for name in names)


def _split(url: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the parameters, and they, as written."""
    scheme, separator, rest = url.partition("://")
    # As in libpq, a password may hold a question mark: it ends at the @ before the first slash.
    credentials_end = rest.partition("/")[0].find("@")
    question = rest.find("?", max(credentials_end, 0))
    if question < 0:
        return url, []
    pairs = [pair.partition("=") for pair in rest[question + 1 :].split("&") if pair]
    address = scheme + separator + rest[:question]
    return address, [(name, value) for name, _, value in pairs]


def _escaped(schema: str) -> str:
    """An identifier, quoted for SQL and then for the server's command line."""
    identifier = '"' + schema.replace('"', '""') + '"'
    return re.sub(r"([\\\s])", r"\\\1", identifier)
