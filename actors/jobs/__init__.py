"""The actors that ask the world at intervals: what they share, and one job a file."""
