"""The real store: synchronous psycopg in a worker thread, one connection a store.

    PostgresStore (store.py)      the port, async
        StoreConnection (connection.py)    thread, cancellation, reconnecting, time limits
            statements.py                 what one call sends, in the worker thread
                Session (session.py)          a psycopg connection with the named queries
        migrating.py                  the schema, at start

Only this package imports psycopg; `errors.py` translates what psycopg raises.
"""

from store.postgres.connection import StoreOffload
from store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "StoreOffload"]
