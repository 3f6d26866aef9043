"""A simulated market that speaks the real wire protocols on loopback.

    calibration -> births -> model (pure) -> events, one stream of them
        -> pumpportal, pumpapi, chain_events -> chain_logs -> chain_history  (streams: audience)
        -> dexscreener, jupiter, solana, metadata                            (answers: server)

Rates, sizes, life times and traps are those of recordings of 2024-2026. Every protocol tells the
same coins, signatures and trades.
"""
