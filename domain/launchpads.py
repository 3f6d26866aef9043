"""Launch-pads: the venues on whose curves tokens are born, by the names that `Token` has. Pure."""

PUMPFUN = "pumpfun"
LAUNCHLAB = "launchlab"
METEORA_DBC = "meteora-dbc"

LAUNCHPADS = (PUMPFUN, LAUNCHLAB, METEORA_DBC)
