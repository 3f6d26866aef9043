"""Servers that fan_out compares the gateway with, each a process of its own."""
