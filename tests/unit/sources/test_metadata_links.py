"""Where what stands behind a link is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.metadata_links import make_web_link, plan_fetch

GATEWAYS = ("https://one.example/ipfs/", "https://two.example/ipfs/")
V0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"
V1 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


@pytest.mark.parametrize(
    ("link", "path"),
    [
        (f"ipfs://{V0}", V0),
        (f"IPFS://{V0}", V0),
        (f"ipfs://{V1}/metadata.json", f"{V1}/metadata.json"),
        (f"ipfs://ipfs/{V0}", V0),
        (f"https://ipfs.io/ipfs/{V0}", V0),
        (f"https://cf-ipfs.com/ipfs/{V1}", V1),
        (f"https://cloudflare-ipfs.com/ipfs/{V1}/a.json?x=1#y", f"{V1}/a.json"),
        (f"https://pump.mypinata.cloud/ipfs/{V0}?img-width=256", V0),
        (f"https://{V1}.ipfs.dweb.link/1.json", f"{V1}/1.json"),
        (f"https://{V1}.ipfs.w3s.link", V1),
        (f"https://two.example/ipfs/{V0}", V0),
        (f"http://ipfs.io/ipfs/{V0}", V0),
    ],
)
def test_content_of_ipfs_is_asked_for_at_our_gateways_in_order(link: str, path: str) -> None:
    plan = plan_fetch(link, GATEWAYS)
    assert ("ipfs", "ipfs") == (plan.kind, plan.host)
    assert tuple(gateway + path for gateway in GATEWAYS) == plan.links


@pytest.mark.parametrize(
    ("link", "kind", "host"),
    [
        ("https://arweave.net/abc", "arweave", "arweave.net"),
        ("https://gateway.arweave.net/abc", "arweave", "gateway.arweave.net"),
        ("https://notarweave.net/abc", "https", "notarweave.net"),
        ("https://Example.com/a.json", "https", "example.com"),
        (f"https://stranger.example/ipfs/{V0}", "https", "stranger.example"),
        (f"https://ipfs.io.evil.example/ipfs/{V0}", "https", "ipfs.io.evil.example"),
        (f"https://ipfs.io:8443/ipfs/{V0}", "https", "ipfs.io"),
        (f"https://user@ipfs.io/ipfs/{V0}", "https", "ipfs.io"),
        (f"https://ipfs.io/ipfs/{V0}/../../admin", "https", "ipfs.io"),
        ("https://ipfs.io/ipfs/nonsense", "https", "ipfs.io"),
        ("ipfs://nonsense", "https", "nonsense"),
        (f"ipfs://{V0}/../x", "https", V0.lower()),
        ("https://[::1", "https", ""),
    ],
)
def test_what_is_no_content_of_ipfs_is_asked_for_as_it_stands(
    link: str, kind: str, host: str
) -> None:
    plan = plan_fetch(link, GATEWAYS)
    assert (kind, host, (link,)) == (plan.kind, plan.host, plan.links)


def test_arweave_has_one_gateway() -> None:
    plan = plan_fetch("ar://abc_-1/x.json", GATEWAYS)
    assert ("arweave", ("https://arweave.net/abc_-1/x.json",)) == (plan.kind, plan.links)


def test_a_browser_gets_a_link_that_it_knows() -> None:
    assert f"{GATEWAYS[0]}{V0}/a.png" == make_web_link(f"ipfs://{V0}/a.png", GATEWAYS)
    assert "https://arweave.net/abc" == make_web_link("ar://abc", GATEWAYS)
    assert "https://ipfs.io/ipfs/x" == make_web_link("https://ipfs.io/ipfs/x", GATEWAYS)


@given(
    st.text(max_size=80),
    st.sampled_from(["ipfs://", "ar://", "https://", "https://ipfs.io/ipfs/", ""]),
)
def test_any_link_has_a_plan(text: str, prefix: str) -> None:
    plan = plan_fetch(prefix + text, GATEWAYS)
    assert plan.links
    assert plan.kind in {"ipfs", "arweave", "https"}
