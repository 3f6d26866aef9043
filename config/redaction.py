"""Secrets leave the process in no text: log line, dump, readiness, status line, last words.

    Settings  ->  find_secrets  ->  register_secrets  ->  redact_text

An error text of a driver can hold any piece of an address, since a password with a delimiter of
URLs in it makes a driver take a part of it for a host, a port or a path. So two things are hidden:

- what looks like a secret: credentials in an address, values under a name such as `password`;
- the secrets of the settings, whole and in pieces, wherever they occur.
"""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, unquote_plus

import attrs
from attrs import define, field

HIDDEN = "[hidden]"
# In a setting's metadata: what lists the secrets in a text of which only some parts are any.
SECRETS_WITHIN = "secrets within"

# A piece of three characters or less is part of too many words to be hidden everywhere: it is
# where an error text quotes it or an address has it.
SHORTEST_HIDDEN_EVERYWHERE = 4
# Providers put their keys into the path of an address, and a key is a long word with digits.
SHORTEST_KEY = 16

_DELIMITERS = re.compile(r"[@:/?#\[\]=&,]")  # where a driver may cut an address
_SENSITIVE_WORDS = r"(?:api[-_]?key|secret|token|password|passwd|authorization|credentials?)"
_SECRET_PARAMETER = re.compile(rf"(?:.*{_SENSITIVE_WORDS}|key|auth|pass|pwd)", re.IGNORECASE)
# `token` and `auth_token` name secrets; `tokens` and `token_id` do not.
_SECRET_NAME = re.compile(rf"(?:.*[-_])?{_SENSITIVE_WORDS}", re.IGNORECASE)
# Both take time in proportion to the text, whatever it is: each character is looked at by one try.
_ADDRESS = re.compile(r"(?<=://)\S+")
_ASSIGNMENT = re.compile(
    rf"""((?<![^\W_]){_SENSITIVE_WORDS}(?:["']?\s*=|["']\s*:)\s*["']?)"""
    r"""(?!\[hidden\])[^\s&"',;#)\]}]+""",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(r"(\b(?:bearer|basic)\s+)[\w.~+/=-]+", re.IGNORECASE)


def redact_text(text: str) -> str:
    """`text` without what looks like a secret, and without the registered secrets."""
    text = _ADDRESS.sub(_hide_credentials, text)
    text = _AUTHORIZATION.sub(rf"\g<1>{HIDDEN}", text)
    text = _ASSIGNMENT.sub(rf"\g<1>{HIDDEN}", text)
    return _registered.hide_in(text)


def _hide_credentials(address: re.Match[str]) -> str:
    # To the last @: a password may hold one.
    _credentials, at, location = address[0].rpartition("@")
    return f"{HIDDEN}@{location}" if at else address[0]


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def register_secrets(secrets: Iterable[str]) -> None:
    """Hide these texts, their pieces and their encoded forms from now on, in this process."""
    _registered.add(secrets)


def longest_registered_secret() -> int:
    """The length of the longest text that is hidden, in characters."""
    return _registered.longest


def find_secrets(settings: object) -> set[str]:
    """The secrets in settings: what their `repr` leaves out, and what their addresses hold."""
    found: set[str] = set()
    for attribute in attrs.fields(type(settings)):  # type: ignore[arg-type]
        value = getattr(settings, attribute.name)
        if attrs.has(type(value)):
            found |= find_secrets(value)
        elif (list_secrets := attribute.metadata.get(SECRETS_WITHIN)) is not None:
            found.update(list_secrets(value))
        elif isinstance(value, str) and value:
            if not attribute.repr:
                found.add(value)
            found.update(secrets_in_address(value))
    return found


def secrets_in_address(address: str) -> Iterator[str]:
    """The password, and the parameters and the part of the path that are keys."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return
    # Up to the last @, whatever a driver makes of the others.
    credentials, at, location = rest.rpartition("@")
    if at:
        _user, _colon, password = credentials.partition(":")
        yield password
    path, _question, query = location.partition("?")
    for parameter in query.split("&"):
        name, _equals, value = parameter.partition("=")
        if _SECRET_PARAMETER.fullmatch(name):
            yield value
    if scheme.startswith(("http", "ws")):
        words = [*path.split("/")[1:], *re.split("[=&]", query)]
        yield from (word for word in words if _is_key(word))


def _is_key(word: str) -> bool:
    return len(word) >= SHORTEST_KEY and any(character.isdigit() for character in word)


@define
class _Secrets:
    """The texts that are hidden, and the expressions that find them."""

    texts: set[str] = field(factory=set)
    longest: int = 0
    _anywhere: re.Pattern[str] | None = None
    _in_addresses: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            for form in _encoded_forms(secret):
                self.texts |= {form, *_DELIMITERS.split(form)}
        self.texts.discard("")
        self.longest = max(map(len, self.texts), default=0)
        self._anywhere = _expression_for(
            text for text in self.texts if len(text) >= SHORTEST_HIDDEN_EVERYWHERE
        )
        short = _expression_for(
            text for text in self.texts if len(text) < SHORTEST_HIDDEN_EVERYWHERE
        )
        self._in_addresses = short and re.compile(
            rf"""(?<!\w)(?:{short.pattern})(?=@)"""
            rf"""|(?<=["'@:/?#=&\[])(?:{short.pattern})(?=["'@:/?#=&\]])""",
            re.IGNORECASE,
        )

    def hide_in(self, text: str) -> str:
        for expression in (self._anywhere, self._in_addresses):
            if expression is not None:
                text = expression.sub(HIDDEN, text)
        return text


_registered = _Secrets()


def _encoded_forms(secret: str) -> set[str]:
    """The secret as it may be written in a text: decoded, percent-encoded, escaped in quotes."""
    decoded = {secret, unquote(secret), unquote_plus(secret)}
    plain = decoded | {quote(form, safe="") for form in decoded}
    quoted = {repr(form)[1:-1] for form in plain} | {json.dumps(form)[1:-1] for form in plain}
    return plain | quoted


def _expression_for(texts: Iterable[str]) -> re.Pattern[str] | None:
    """Matches any of the texts, the longest that is there, in upper or lower case."""
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    if not longest_first:
        return None
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
