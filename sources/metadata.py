"""What a coin's people say of it: the JSON behind its `uri`, and the ports through which it comes.

    link -> MetadataProvider.fetch_document -> CoinDocument -> TokenUpdated
    link -> MetadataProvider.fetch_image -> the bytes of an image, of any format
    mints -> MintProvider.fetch_facts -> MintFacts -> TokenUpdated

Forms that occur: pump.fun and LaunchLab write flat objects (`description, image, twitter,
telegram, website, createdOn`); Metaplex' token standard has `external_url` and
`properties.files[{uri, type}]`, and, for fungible tokens, `extensions`; some tools put the links
into `links` or `socials`, as an object or as a list of `{name|type|label, url}`. All of it is a
stranger's text: a value that is not what it should be costs itself alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from domain.errors import FetchRefused
from domain.values import Mint, Value
from sources import Provider
from sources.fields import (
    LONGEST_ADDRESS,
    decode_json,
    read_array,
    read_link,
    read_metadata_link,
    read_object,
    read_text,
)

LONGEST_DESCRIPTION = 500  # characters; each is written to Postgres once
MOST_ENTRIES = 32  # of a list that are looked at

IMAGE_KEYS = ("image", "image_url", "imageUrl", "imageUri", "logoURI", "logo", "icon")
LINK_KEYS = {
    "twitter": ("twitter", "x", "twitter_url", "twitterUrl"),
    "telegram": ("telegram", "telegram_url", "telegramUrl", "tg"),
    "website": ("website", "external_url", "externalUrl", "homepage", "site", "web"),
}
# Handles and addresses without a scheme that can mean one thing only.
HANDLES = {
    "twitter": (re.compile(r"@(\w{1,15})", re.ASCII), "https://x.com/"),
    "telegram": (re.compile(r"@(\w{4,32})", re.ASCII), "https://t.me/"),
}
BARE_HOSTS = {
    "twitter": re.compile(r"(www\.|mobile\.)?(x|twitter)\.com/\S+", re.IGNORECASE),
    "telegram": re.compile(r"(www\.)?(t|telegram)\.me/\S+", re.IGNORECASE),
}
SOUND_LINK = re.compile(r"https?://[^\s/?#@\\]+([/?#]\S*)?", re.IGNORECASE)


@frozen(kw_only=True)
class CoinDocument:
    """What a coin's metadata says; an absent name is not known."""

    values: Mapping[str, Value]  # of description, twitter, telegram, website
    image_link: str | None  # http(s), ipfs or ar


@frozen(kw_only=True)
class FetchedDocument:
    """A document, and where it came from."""

    document: CoinDocument
    kind: str  # ipfs, arweave, https
    image_url: str | None  # the image's address for a browser


@frozen(kw_only=True)
class MintFacts:
    """What a mint's account says of its token."""

    mint: Mint
    values: Mapping[str, Value]  # mint_renounced, freeze_revoked, decimals, total_supply


class MetadataProvider(Protocol):
    """Fetches what strangers' links lead to; `FetchRefused` says why one cannot be had."""

    def name_host(self, link: str) -> str:
        """Whose slowness a fetch of `link` suffers from: a key for bounds."""

    async def fetch_document(self, link: str) -> FetchedDocument:
        """The metadata at `link`."""

    async def fetch_image(self, link: str) -> bytes:
        """The image at `link`, undecoded."""


class MintProvider(Provider, Protocol):
    """Authorities, decimals and supply."""

    async def fetch_facts(self, mints: Sequence[Mint]) -> Mapping[Mint, MintFacts]:
        """One request, at most `mints_per_request` mints; unknown ones are left out."""


def parse_document(body: bytes) -> CoinDocument:
    """The metadata in a body; `FetchRefused` if it is no JSON object."""
    try:
        root = decode_json(body)
    except ValueError as error:
        raise FetchRefused("not JSON", reason="not_json", is_final=True) from error
    if not isinstance(root, dict):
        raise FetchRefused("no JSON object", reason="not_an_object", is_final=True)
    places = list(_find_places(root))
    values: dict[str, Value] = {}
    description = read_text(root.get("description"), LONGEST_DESCRIPTION)
    if description is not None:
        values["description"] = description
    for name, keys in LINK_KEYS.items():
        links = (_read_profile_link(name, place.get(key)) for place in places for key in keys)
        if (link := next((each for each in links if each is not None), None)) is not None:
            values[name] = link
    return CoinDocument(values=values, image_link=_find_image(places))


def _find_places(root: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The objects that may hold links, the likeliest first."""
    yield root
    properties = read_object(root.get("properties"))
    for holder in (root, properties):
        for key in ("extensions", "links", "socials"):
            yield read_object(holder.get(key))
            yield _read_named_links(holder.get(key))
    yield properties


def _read_named_links(value: object) -> Mapping[str, object]:
    """`[{"name": "Twitter", "url": ...}]` as an object by name."""
    named: dict[str, object] = {}
    for entry in map(read_object, read_array(value)[:MOST_ENTRIES]):
        name = next((entry[key] for key in ("name", "type", "label") if key in entry), None)
        if isinstance(name, str):
            named.setdefault(name.strip().lower(), entry.get("url"))
    return named


def _read_profile_link(name: str, value: object) -> str | None:
    """An http(s) link without credentials; a handle or a bare host where it is certain."""
    if not isinstance(value, str) or len(value) > LONGEST_ADDRESS:
        return None
    text = value.strip()
    if name in HANDLES:
        handle, home = HANDLES[name]
        if found := handle.fullmatch(text):
            return home + found[1]
        if BARE_HOSTS[name].fullmatch(text):
            text = f"https://{text}"
    link = read_link(text)
    return link if link is not None and SOUND_LINK.fullmatch(link) else None


def _find_image(places: Sequence[Mapping[str, object]]) -> str | None:
    for place in places:
        for key in IMAGE_KEYS:
            if (link := read_metadata_link(place.get(key))) is not None:
                return link
    files = (
        read_object(entry)
        for place in places
        for entry in read_array(place.get("files"))[:MOST_ENTRIES]
    )
    images = (each for each in files if str(each.get("type")).startswith("image/"))
    links = (read_metadata_link(each.get("uri")) for each in images)
    return next((link for link in links if link is not None), None)
