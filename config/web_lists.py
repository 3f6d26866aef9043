"""Settings that are several addresses of HTTP, separated by white space.

text of a setting  ->  list_of_bases, list_of_origins, list_of_browser_origins
                   ->  the same text, each address checked
"""

from typing import Any

from attrs import field

from config.web_address import require_web_address, show_web_address

ANY_ORIGIN = "*"


def list_of_bases() -> Any:
    """A field for base addresses, to which a path is added."""
    return field(validator=_are_bases, repr=_show_addresses)


def list_of_origins() -> Any:
    """A field for origins: addresses without a path."""
    return field(validator=[_are_bases, _are_origins], repr=_show_addresses)


def list_of_browser_origins() -> Any:
    """A field for origins as browsers tell them, or `*` alone: every one."""
    return field(validator=_are_browser_origins, repr=_show_addresses)


def _are_bases(_instance: object, _setting: object, text: str) -> None:
    for url in text.split():
        require_web_address(url, ("https", "http"), with_query=False)


def _are_origins(_instance: object, _setting: object, text: str) -> None:
    if any("/" in url.partition("://")[2] for url in text.split()):
        raise ValueError("must be origins, without a path: https://host:port")


def _are_browser_origins(instance: object, setting: object, text: str) -> None:
    if text.strip() == ANY_ORIGIN:
        return
    if ANY_ORIGIN in text.split():
        raise ValueError("must be origins, or * alone")
    if "," in text:
        raise ValueError("must be origins separated by spaces")
    _are_bases(instance, setting, text)
    _are_origins(instance, setting, text)
    if "@" in text:
        raise ValueError("must be origins, without a user: https://host:port")


def _show_addresses(text: str) -> str:
    return " ".join(map(show_web_address, text.split()))
