"""What the streams are called: in `source` of their events, as children, in logs and metrics."""

PUMPPORTAL = "pumpportal"
PUMPAPI = "pumpapi"
CHAIN = "chain"
SOLANA_POOLS = "solana-pools"
