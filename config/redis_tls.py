"""The TLS parameters of a rediss:// address, under redis-py's names.

    texts of the parameters  ->  read_tls_parameters  ->  arguments of redis.SSLConnection

Each is tried on a TLS context once, so that a file that is missing, or a certificate that does
not go with its key, is told at the start. Names: redis.connection.SSLConnection.
"""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SWITCHES = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}
CERTIFICATE_REQUIREMENTS = ("none", "optional", "required")
LEAST_VERSIONS = {
    "771": ssl.TLSVersion.TLSv1_2,
    "772": ssl.TLSVersion.TLSv1_3,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}

# Their values are words of a list, and no secret.
PUBLIC_PARAMETERS = frozenset(
    {
        "ssl_cert_reqs",
        "ssl_check_hostname",
        "ssl_min_version",
        "ssl_include_verify_flags",
        "ssl_exclude_verify_flags",
    }
)


def read_tls_parameters(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The arguments that the texts mean; `ValueError` repeats a name, never a value."""
    arguments: dict[str, Any] = {}
    for name, text in parameters.items():
        read = READERS.get(name)
        if read is None:
            raise ValueError("must leave out the parameters of TLS that are not known")
        try:
            arguments[name] = read(text)
        except ValueError as error:
            raise ValueError(f"must have a {name} that is {error}") from None
    _try_on_a_context(arguments)
    return arguments


def _read_switch(text: str) -> bool:
    if text.lower() not in SWITCHES:
        raise ValueError("true or false")
    return SWITCHES[text.lower()]


def _read_requirement(text: str) -> str:
    if text not in CERTIFICATE_REQUIREMENTS:
        raise ValueError("none, optional or required")
    return text


def _read_version(text: str) -> ssl.TLSVersion:
    if text not in LEAST_VERSIONS:
        raise ValueError("TLSv1.2 or TLSv1.3")
    return LEAST_VERSIONS[text]


def _read_flags(text: str) -> list[ssl.VerifyFlags]:
    names = [name.strip() for name in text.strip("[]").split(",")]
    if not set(names) <= set(ssl.VerifyFlags.__members__):
        raise ValueError("a list of VERIFY_... flags")
    return [ssl.VerifyFlags[name] for name in names]


def _read_file(text: str) -> str:
    if not _exists(Path.is_file, text):
        raise ValueError("a file here")
    return text


def _read_folder(text: str) -> str:
    if not _exists(Path.is_dir, text):
        raise ValueError("a folder here")
    return text


def _exists(test: Callable[[Path], bool], text: str) -> bool:
    return "\0" not in text and test(Path(text))


def _read_text(text: str) -> str:
    if not text:
        raise ValueError("not empty")
    return text


READERS: Mapping[str, Callable[[str], Any]] = {
    "ssl_cert_reqs": _read_requirement,
    "ssl_check_hostname": _read_switch,
    "ssl_ca_certs": _read_file,
    "ssl_ca_path": _read_folder,
    "ssl_ca_data": _read_text,
    "ssl_certfile": _read_file,
    "ssl_keyfile": _read_file,
    "ssl_password": _read_text,
    "ssl_ciphers": _read_text,
    "ssl_min_version": _read_version,
    "ssl_include_verify_flags": _read_flags,
    "ssl_exclude_verify_flags": _read_flags,
}


def _try_on_a_context(arguments: Mapping[str, Any]) -> None:
    """Load what redis-py will load at each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if authorities := _of(
            arguments, cafile="ssl_ca_certs", capath="ssl_ca_path", cadata="ssl_ca_data"
        ):
            context.load_verify_locations(**authorities)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ValueError("must have ssl_ca_... that are readable certificates") from error
    if "ssl_keyfile" in arguments and "ssl_certfile" not in arguments:
        raise ValueError("must have an ssl_certfile beside its ssl_keyfile")
    try:
        if "ssl_certfile" in arguments:
            password = arguments.get("ssl_password", "")  # a text: else OpenSSL asks the terminal
            context.load_cert_chain(
                arguments["ssl_certfile"], arguments.get("ssl_keyfile"), password
            )
    except (OSError, ValueError) as error:
        raise ValueError("must have ssl_certfile, ssl_keyfile, ssl_password that fit") from error
    try:
        if "ssl_ciphers" in arguments:
            context.set_ciphers(arguments["ssl_ciphers"])
    except ssl.SSLError as error:
        raise ValueError("must have ssl_ciphers that OpenSSL knows") from error


def _of(arguments: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {ours: arguments[theirs] for ours, theirs in names.items() if theirs in arguments}
