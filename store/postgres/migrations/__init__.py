"""The schema's steps, one SQL file each, applied in the order of their names.

A file that has been released never changes (its checksum is kept in the database); what it got
wrong is put right by a later one. See `store.postgres.migrating`.
"""
