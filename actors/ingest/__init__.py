"""Ingest, the only writer of new tokens: what an event means, and the way to the store."""
