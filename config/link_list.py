"""A setting that is a list of links to other sites about one token.

`pump.fun=https://pump.fun/coin/{mint} Solscan=https://...`  ->  each name and its template
"""

from typing import Any

from attrs import field

from config.web_address import require_web_address

MOST_LINKS = 12
PLACE = "{mint}"  # where the token's mint goes


def list_of_links() -> Any:
    """A field for links: NAME=TEMPLATE, separated by white space."""
    return field(validator=_are_links)


def parse_links(text: str) -> list[tuple[str, str]]:
    """The links by name, in order; `ValueError` where one is none."""
    links = [_parse_link(part) for part in text.split()]
    if len(links) > MOST_LINKS:
        raise ValueError(f"must be at most {MOST_LINKS} links")
    return links


def _parse_link(part: str) -> tuple[str, str]:
    name, equals, template = part.partition("=")
    if not name or not equals or template.count(PLACE) != 1:
        raise ValueError(f"must be NAME=https://... with {PLACE} in each, separated by spaces")
    try:
        require_web_address(template.replace(PLACE, "mint"), ("https",), with_query=True)
    except ValueError as error:
        raise ValueError(f"must have addresses of https: {error}") from error
    if "{mint}" in template.split("/")[2]:
        raise ValueError(f"must have {PLACE} behind the host's name")
    return name, template


def _are_links(_instance: object, _setting: object, text: str) -> None:
    parse_links(text)
