"""The launch-pads' own events from the logs of the chain: pump.fun, PumpSwap, Raydium LaunchLab.

    Solana RPC WebSocket (logsSubscribe) -> stream -> notifications -> events (Anchor) -> market
                                                   -> SourceEvent -> ingest

`layouts` says how an event is written, `events` reads one, `market` says what it means, `pools`
keeps which pool trades which token, `lookups` and `gaps` ask an RPC server what logs do not tell.
"""
