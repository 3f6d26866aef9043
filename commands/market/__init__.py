"""A simulated market that speaks the real wire protocols on loopback.

    calibration -> model (pure) -> pumpportal, dexscreener, jupiter, solana (answers) -> server

Rates, sizes, life times and traps are those of recordings of 2024-2026.
"""
