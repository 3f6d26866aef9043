import pytest

from sources.venues import CURVE_VENUES, GRADUATED_VENUES, VENUE_BY_NAME, name_venue


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("pump", "pumpfun"),
        ("pumpfun", "pumpfun"),
        ("pump-amm", "pumpswap"),
        ("pumpswap", "pumpswap"),
        ("bonk", "launchlab"),
        ("raydium-launchpad", "launchlab"),
        ("launchlab", "launchlab"),
        ("raydium", "raydium"),
        ("raydium-cpmm", "raydium-cpmm"),
        ("raydium-clmm", "raydium-clmm"),
        ("meteora-launchpad", "meteora-dbc"),
        ("meteoradbc", "meteora-dbc"),
        ("meteora-dbc", "meteora-dbc"),
        ("meteora-damm-v2", "meteora"),
        ("meteora", "meteora"),
        ("orca", "orca"),
        ("Pump", "pumpfun"),
        ("fluxbeam", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        (["pump"], "unknown"),
    ],
)
def test_every_provider_name_has_one_canonical_venue(raw: object, canonical: str) -> None:
    assert canonical == name_venue(raw)


@pytest.mark.parametrize(
    ("labels", "canonical"),
    [
        (["CLMM"], "raydium-clmm"),
        (["CPMM"], "raydium-cpmm"),
        ([3, "CPMM"], "raydium-cpmm"),
        ([], "raydium"),
        (None, "raydium"),
        ("CLMM", "raydium"),
    ],
)
def test_a_label_tells_the_kind_of_a_raydium_pool(labels: object, canonical: str) -> None:
    assert canonical == name_venue("raydium", labels)


def test_a_label_changes_no_other_venue() -> None:
    assert name_venue("meteora", ["CLMM"]) == "meteora"


def test_no_venue_is_both_a_curve_and_graduated() -> None:
    assert not CURVE_VENUES & GRADUATED_VENUES
    assert set(VENUE_BY_NAME.values()) == CURVE_VENUES | GRADUATED_VENUES
