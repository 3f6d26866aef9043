"""One name for every venue, whatever a provider calls it.

    raw name in a frame or a pair -> canonical name in `Token.pool_type`

A curve is where a token is born; a graduated venue is where it trades after its migration.
"""

from domain import launchpads

PUMPFUN = launchpads.PUMPFUN
PUMPSWAP = "pumpswap"
LAUNCHLAB = launchpads.LAUNCHLAB
RAYDIUM = "raydium"
RAYDIUM_CPMM = "raydium-cpmm"
RAYDIUM_CLMM = "raydium-clmm"
METEORA_DBC = launchpads.METEORA_DBC
METEORA = "meteora"
ORCA = "orca"
UNKNOWN = "unknown"

CURVE_VENUES = frozenset(launchpads.LAUNCHPADS)
GRADUATED_VENUES = frozenset({PUMPSWAP, RAYDIUM, RAYDIUM_CPMM, RAYDIUM_CLMM, METEORA, ORCA})

OTHER_NAMES = {
    "pump": PUMPFUN,
    "pump-fun": PUMPFUN,
    "pump.fun": PUMPFUN,
    "pump-amm": PUMPSWAP,
    "pump-swap": PUMPSWAP,
    "pumpfun-amm": PUMPSWAP,
    "bonk": LAUNCHLAB,
    "letsbonk": LAUNCHLAB,
    "raydium-launchpad": LAUNCHLAB,
    "raydium-launchlab": LAUNCHLAB,
    "launchpad": LAUNCHLAB,
    "raydium-amm": RAYDIUM,
    "raydium-v4": RAYDIUM,
    "cpmm": RAYDIUM_CPMM,
    "clmm": RAYDIUM_CLMM,
    "meteora-launchpad": METEORA_DBC,
    "meteoradbc": METEORA_DBC,
    "meteora-damm": METEORA,
    "meteora-damm-v1": METEORA,
    "meteora-damm-v2": METEORA,
    "meteora-dlmm": METEORA,
    "whirlpool": ORCA,
}
VENUE_BY_NAME = {name: name for name in CURVE_VENUES | GRADUATED_VENUES} | OTHER_NAMES

RAYDIUM_BY_LABEL = {"cpmm": RAYDIUM_CPMM, "clmm": RAYDIUM_CLMM}


def name_venue(name: object, labels: object = None) -> str:
    """The canonical venue of a raw name; `unknown` for one never heard of, or for no name.

    DexScreener calls every Raydium pool `raydium` and tells its kind in `labels`.
    """
    if not isinstance(name, str):
        return UNKNOWN
    found = VENUE_BY_NAME.get(name) or VENUE_BY_NAME.get(
        name.strip().lower().replace("_", "-"), UNKNOWN
    )
    if found == RAYDIUM and isinstance(labels, list):
        for label in labels:
            if isinstance(label, str) and label.lower() in RAYDIUM_BY_LABEL:
                return RAYDIUM_BY_LABEL[label.lower()]
    return found
