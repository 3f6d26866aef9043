"""What is read from the JSON behind a coin's uri."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FetchRefused
from sources.metadata import LONGEST_DESCRIPTION, CoinDocument, parse_document

PUMP = {
    "name": "a coin",
    "symbol": "COIN",
    "description": "First line.\n\nSecond line.",
    "image": "https://ipfs.io/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
    "showName": True,
    "createdOn": "https://pump.fun",
    "twitter": "https://x.com/coin/status/1",
    "telegram": "https://t.me/coin",
    "website": "https://coin.example/",
}
METAPLEX = {
    "name": "Coin",
    "symbol": "C",
    "description": "d",
    "external_url": "https://coin.example",
    "attributes": [{"trait_type": "a", "value": 1}],
    "properties": {
        "category": "image",
        "creators": [],
        "files": [
            {"uri": "https://a.example/x.mp4", "type": "video/mp4"},
            {"uri": "ar://abc", "type": "image/png"},
        ],
    },
    "extensions": {"twitter": "@coin", "telegram": "t.me/coin"},
}


def parse(value: object) -> CoinDocument:
    return parse_document(json.dumps(value).encode())


def test_flat_form_of_the_launch_pads() -> None:
    found = parse(PUMP)
    assert PUMP["image"] == found.image_link
    assert found.values == {
        name: PUMP[name] for name in ("description", "twitter", "telegram", "website")
    }


def test_form_of_metaplex() -> None:
    found = parse(METAPLEX)
    assert "ar://abc" == found.image_link
    assert found.values == {
        "description": "d",
        "twitter": "https://x.com/coin",
        "telegram": "https://t.me/coin",
        "website": "https://coin.example",
    }


@pytest.mark.parametrize(
    "links",
    [
        {"x": "https://x.com/a", "telegram": "https://t.me/abcd"},
        [{"name": "X", "url": "https://x.com/a"}, {"type": "telegram", "url": "https://t.me/abcd"}],
        [
            {"label": " Twitter ", "url": "https://x.com/a"},
            {"label": "TG", "url": "https://t.me/abcd"},
        ],
    ],
)
@pytest.mark.parametrize("key", ["links", "socials", "extensions"])
def test_links_in_an_object_or_a_list(key: str, links: object) -> None:
    expected = {"twitter": "https://x.com/a", "telegram": "https://t.me/abcd"}
    assert expected == parse({key: links}).values
    assert expected == parse({"properties": {key: links}}).values


@pytest.mark.parametrize(
    ("name", "said", "link"),
    [
        ("twitter", "@a_1", "https://x.com/a_1"),
        ("twitter", " x.com/a ", "https://x.com/a"),
        ("twitter", "www.twitter.com/a", "https://www.twitter.com/a"),
        ("twitter", "http://x.com/i/communities/1", "http://x.com/i/communities/1"),
        ("twitter", "a", None),
        ("twitter", "@" + "a" * 16, None),
        ("twitter", "@a b", None),
        ("twitter", "@ä", None),
        ("telegram", "@coin", "https://t.me/coin"),
        ("telegram", "@abc", None),
        ("telegram", "telegram.me/coin", "https://telegram.me/coin"),
        ("website", "coin.example", None),
        ("website", "@coin", None),
        ("website", "javascript:alert(1)", None),
        ("website", "JaVaScRiPt:alert(1)//https://a.example", None),
        ("website", "data:text/html,x", None),
        ("website", "ipfs://abc", None),
        ("website", "https://good.example@evil.example/", None),
        ("website", "https://good.example\\@evil.example/", None),
        ("website", "https://a.example/\u202egnp.exe", None),
        ("website", "https://a.example/\x00", None),
        ("website", "https://a.example/\r\nset-cookie: a", None),
        ("website", "https://a.example/" + "x" * 600, None),
        ("website", "https:///path", None),
        ("website", "", None),
        ("website", 5, None),
        ("website", ["https://a.example"], None),
        ("website", None, None),
    ],
)
def test_a_link_is_http_or_a_certain_handle_or_nothing(
    name: str, said: object, link: str | None
) -> None:
    assert link == parse({name: said}).values.get(name)


def test_a_usable_link_elsewhere_makes_up_for_an_unusable_one() -> None:
    found = parse(
        {"website": "soon", "external_url": "", "extensions": {"website": "https://a.example"}}
    )
    assert {"website": "https://a.example"} == found.values


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("  a\tb  c ", "a b c"),
        ("a\r\nb\u2028c", "a\nb\nc"),
        ("a\n\n\n \n\nb\n\n", "a\n\nb"),
        ("a\x00\x1b[31mb\u202e\ufeffc", "a[31mbc"),
        ("\ud83d", "\N{REPLACEMENT CHARACTER}"),
        ("\n\n \u200b", None),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text; pages show it as such
        (7, None),
        ({"en": "a"}, None),
        ("x" * 5000, "x" * LONGEST_DESCRIPTION),
        ("\n" * 4000 + "x", None),  # not looked at for ever
    ],
)
def test_a_description_is_text_of_a_few_lines(said: object, shown: str | None) -> None:
    assert shown == parse({"description": said}).values.get("description")


@pytest.mark.parametrize(
    ("image", "link"),
    [
        ("https://a.example/x.png", "https://a.example/x.png"),
        ("ar://abc", "ar://abc"),
        ("data:image/svg+xml,<svg onload=alert(1)>", None),
        ("x.png", None),
        ({"url": "https://a.example"}, None),
    ],
)
def test_an_image_is_a_link(image: object, link: str | None) -> None:
    assert link == parse({"image": image}).image_link


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"<!doctype html><html></html>", "not_json"),
        (b'{"description": "cut o', "not_json"),
        (b"[" * 60_000, "not_json"),
        (b'{"a":' * 20_000, "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b'[{"description": "a"}]', "not_an_object"),
        (b"9" * 60_000, "not_json"),
    ],
)
def test_what_is_no_document_is_refused_for_good(body: bytes, reason: str) -> None:
    with pytest.raises(FetchRefused) as refusal:
        parse_document(body)
    assert (reason, True) == (refusal.value.reason, refusal.value.is_final)


def test_the_last_of_a_key_that_comes_twice_counts_and_a_mark_is_no_harm() -> None:
    found = parse_document(b'\xef\xbb\xbf{"description": "a", "description": "b"}')
    assert {"description": "b"} == found.values


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "description",
                    "image",
                    "extensions",
                    "links",
                    "properties",
                    "files",
                    "url",
                    "name",
                    "type",
                    "uri",
                    "twitter",
                    "website",
                    "x",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(list(PUMP) + list(METAPLEX)), JSON))
def test_any_object_is_read_and_its_values_are_text(value: object) -> None:
    for found in parse(value).values.values():
        assert isinstance(found, str)
        assert 0 < len(found) <= max(LONGEST_DESCRIPTION, 512)
        assert "\x00" not in found


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        found = parse_document(body)
    except FetchRefused:
        return
    assert found.values.keys() <= {"description", "twitter", "telegram", "website"}
