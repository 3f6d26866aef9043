"""Where the document or the image behind a coin's link is asked for.

    ipfs://CID/path, https://{public gateway}/ipfs/CID/path -> each of our gateways, in order
    ar://ID                                                 -> https://arweave.net/ID
    https://...                                             -> as it stands

Content of IPFS is the same behind every gateway, so a link to a public one that is slow, limited
or gone costs nothing. Source of the forms: "Address IPFS on the web" in IPFS' documentation (path
and subdomain gateways), ERC-721 metadata practice for `ipfs://ipfs/CID`.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from attrs import frozen

ARWEAVE = "https://arweave.net/"
# Gateways that anybody may link to; what they serve is asked for at ours.
PUBLIC_GATEWAYS = frozenset(
    {
        "4everland.io",
        "cf-ipfs.com",
        "cloudflare-ipfs.com",
        "dweb.link",
        "flk-ipfs.xyz",
        "gateway.ipfs.io",
        "gateway.pinata.cloud",
        "ipfs.io",
        "nftstorage.link",
        "pump.mypinata.cloud",
        "w3s.link",
    }
)
# Identifiers of content: version 0, or version 1 in base32 or base36.
CONTENT_ID = re.compile(r"Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{40,100}|k[a-z0-9]{40,100}")
PATH = re.compile(r"(/[^\s?#\\]*)?")
LONGEST_HOST_KEY = 253  # characters


@frozen(kw_only=True)
class FetchPlan:
    """Where to ask, in order, and what to call it."""

    kind: str  # ipfs, arweave, https: second word of the update's origin
    host: str  # whose slowness counts: requests to one host are bounded together
    links: tuple[str, ...]


def plan_fetch(link: str, gateways: Sequence[str]) -> FetchPlan:
    """How to get what stands behind `link`; any rule that it breaks is found by the fetch."""
    scheme, _, rest = link.strip().partition("://")
    match scheme.lower():
        case "ipfs":
            path = _find_content(rest.removeprefix("ipfs/"))
            return _plan_content(path, gateways) if path else _plan_single(link)
        case "ar":
            return FetchPlan(kind="arweave", host="arweave.net", links=(ARWEAVE + rest,))
        case _:
            path = _find_gateway_content(link, gateways)
            return _plan_content(path, gateways) if path else _plan_single(link)


def make_web_link(link: str, gateways: Sequence[str]) -> str:
    """The http(s) address under which a browser finds what `link` means."""
    is_web = link.lower().startswith(("https://", "http://"))
    return link if is_web else plan_fetch(link, gateways).links[0]


def _plan_content(path: str, gateways: Sequence[str]) -> FetchPlan:
    if not gateways:
        return _plan_single(f"ipfs://{path}")
    return FetchPlan(kind="ipfs", host="ipfs", links=tuple(each + path for each in gateways))


def _plan_single(link: str) -> FetchPlan:
    host = _read_host(link)
    kind = "arweave" if f".{host}".endswith(".arweave.net") else "https"
    return FetchPlan(kind=kind, host=host[:LONGEST_HOST_KEY], links=(link,))


def _read_host(link: str) -> str:
    try:
        return urlsplit(link).hostname or ""
    except ValueError:
        return ""


def _find_gateway_content(link: str, gateways: Sequence[str]) -> str | None:
    """The identifier and path that a public gateway, or one of ours, is asked for."""
    own = next((each for each in gateways if link.startswith(each)), None)
    if own is not None:
        return _find_content(link.removeprefix(own).partition("?")[0].partition("#")[0])
    try:
        parts = urlsplit(link)
        is_plain = parts.port is None and parts.username is None
    except ValueError:
        return None
    if not is_plain or parts.scheme not in ("https", "http"):
        return None
    host = parts.hostname or ""
    content, _, parent = host.partition(".ipfs.")
    if parent in PUBLIC_GATEWAYS:
        return _find_content(content + parts.path)
    is_path = host in PUBLIC_GATEWAYS and parts.path.startswith("/ipfs/")
    return _find_content(parts.path.removeprefix("/ipfs/")) if is_path else None


def _find_content(path: str) -> str | None:
    """`path` if it begins with an identifier of content and stays below it."""
    identifier, slash, _ = path.partition("/")
    rest = path[len(identifier) :] if slash else ""
    is_sound = PATH.fullmatch(rest) is not None and ".." not in rest.split("/")
    return path if is_sound and CONTENT_ID.fullmatch(identifier) else None
