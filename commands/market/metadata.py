"""The server behind a coin's `uri`: its metadata and its picture, honest, absent or hostile.

    GET /metadata/{mint}.json -> description, image, twitter, telegram, website
    GET /images/{mint}        -> a drawn picture

What a coin's people have put there follows from the mint alone. Most of it is as it should be;
shares of the rest are higher than the world's, so that a demo meets each kind.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Literal, TypeVar

from commands.market.http import Answer
from commands.market.model import Market
from commands.market.names import handle_of
from commands.market.pictures import draw_bomb, draw_picture
from commands.market.token import MarketToken
from domain.values import Mint

METADATA_PATH, IMAGES_PATH = "/metadata/", "/images/"
LARGEST_JSON_BYTES = 10_000_000  # of the hostile one
LARGEST_IMAGE_BYTES = 3_000_000
MOVED = "/moved"  # in front of a path: where some documents have gone

DocumentKind = Literal["good", "moved", "bare", "missing", "broken", "wrong", "private", "huge"]
ImageKind = Literal["good", "missing", "svg", "html", "private", "large", "bomb", "endless"]

# Per cent, in order; the first ones take what is left.
DOCUMENT_SHARES: tuple[tuple[DocumentKind, float], ...] = (
    ("moved", 3), ("bare", 6), ("missing", 4), ("broken", 2), ("wrong", 2), ("private", 1),
    ("huge", 0.5),
)  # fmt: skip
IMAGE_SHARES: tuple[tuple[ImageKind, float], ...] = (
    ("missing", 2), ("svg", 1.5), ("html", 1), ("private", 1), ("large", 0.5), ("bomb", 0.5),
    ("endless", 0.5),
)  # fmt: skip
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
PRIVATE_TARGETS = (
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://127.0.0.1:1/admin",
    "http://[::ffff:10.0.0.1]/",
)
KindT = TypeVar("KindT", bound=str)
MISSING = Answer(status=404, body={"error": "Not found"})


def document_kind(mint: str) -> DocumentKind:
    return _pick("document", mint, DOCUMENT_SHARES, "good")


def image_kind(mint: str) -> ImageKind:
    return _pick("image", mint, IMAGE_SHARES, "good")


def _pick(salt: str, mint: str, shares: tuple[tuple[KindT, float], ...], usual: KindT) -> KindT:
    place = _fraction(salt, mint) * 100
    for kind, share in shares:
        place -= share
        if place < 0:
            return kind
    return usual


def _fraction(salt: str, mint: str) -> float:
    return int.from_bytes(sha256(f"{salt}:{mint}".encode()).digest()[:6], "big") / 2**48


def answer_metadata(market: Market, path: str) -> Answer:
    """The answer to a GET under one of both paths."""
    moved = path.startswith(MOVED)
    path = path.removeprefix(MOVED)
    is_image = path.startswith(IMAGES_PATH)
    mint = path.removeprefix(IMAGES_PATH if is_image else METADATA_PATH).removesuffix(".json")
    token = market.tokens.get(Mint(mint))
    if token is None:
        return MISSING
    return _image(token) if is_image else _document(token, moved)


def _document(token: MarketToken, moved: bool) -> Answer:
    kind = document_kind(token.mint)
    if kind in ODD_DOCUMENTS and not (kind == "moved" and moved):
        return ODD_DOCUMENTS[kind](token)
    return Answer(body=_metadata(token, bare=kind == "bare"))


def _metadata(token: MarketToken, *, bare: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": token.name,
        "symbol": token.symbol,
        "description": "" if bare else f"{token.name} is here. No promises, only {token.symbol}.",
        "image": token.image_url,
        "showName": True,
        "createdOn": "https://pump.fun" if token.venue == "pump" else "https://bonk.fun",
    }
    if bare:
        return document
    handle = handle_of(token.name)
    links = {
        "twitter": f"https://x.com/{handle}",
        "telegram": f"https://t.me/{handle}",
        "website": f"https://{handle}.fun",
    }
    shares = {"twitter": 0.8, "telegram": 0.5, "website": 0.6}
    return document | {
        name: link for name, link in links.items() if _fraction(name, token.mint) < shares[name]
    }


def _image(token: MarketToken) -> Answer:
    kind = image_kind(token.mint)
    if kind in ODD_IMAGES:
        return ODD_IMAGES[kind](token)
    content_type, content = draw_picture(token.mint)
    return Answer(content=content, content_type=content_type)


def _redirect_to_private(token: MarketToken) -> Answer:
    return _redirect(PRIVATE_TARGETS[token.number % len(PRIVATE_TARGETS)])


def _redirect(target: str) -> Answer:
    return Answer(status=302, headers=(("location", target),))


def _file(content: bytes, content_type: str, *, is_endless: bool = False) -> Answer:
    return Answer(content=content, content_type=content_type, is_endless=is_endless)


def _large_picture(token: MarketToken) -> Answer:
    content_type, content = draw_picture(token.mint)
    return _file(content.ljust(LARGEST_IMAGE_BYTES, b"\0"), content_type)


def _bomb(_: MarketToken) -> Answer:
    content_type, content = draw_bomb()
    return _file(content, content_type)


ODD_DOCUMENTS: Mapping[str, Callable[[MarketToken], Answer]] = {
    "moved": lambda token: _redirect(f"{MOVED}{METADATA_PATH}{token.mint}.json"),
    "missing": lambda _: MISSING,
    "broken": lambda token: _file(b'{"name": "' + token.name.encode(), "application/json"),
    "wrong": lambda _: Answer(body=["not", "an", "object", {"image": 7}]),
    "private": _redirect_to_private,
    "huge": lambda _: _file(b"{" + b" " * LARGEST_JSON_BYTES + b"}", "application/json"),
}
ODD_IMAGES: Mapping[str, Callable[[MarketToken], Answer]] = {
    "missing": lambda _: MISSING,
    "svg": lambda _: _file(SVG, "image/svg+xml"),
    "html": lambda _: _file(b"<html>Too many requests</html>", "text/html"),
    "private": _redirect_to_private,
    "large": _large_picture,
    "bomb": _bomb,
    "endless": lambda _: _file(bytes(65_536), "image/png", is_endless=True),
}
