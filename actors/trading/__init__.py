"""Trading: windows, candles, single trades and the wash score of every traded token.

TradeSeen -> actor -> book (one a token: windows, candles, traders) -> buffer.tape (Redis)
                                                                    -> StatisticsPublished
                   -> TradesWeighed -> hot-score
"""
