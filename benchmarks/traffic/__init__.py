"""Streams on loopback, a service that reads them, and a client that follows its boards."""
