"""Sync, the only writer of updates: its table, its backlog, its flush and its governor."""
