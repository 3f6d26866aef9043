-- Names this life of the rows for readers. A crash, a promotion, a restore of files: each empties the
-- unlogged mark, and whoever rebuilds the rows begins another epoch. So one that is new to us says that
-- the server may have lost commits: see docs/decisions/0017-lost-commits.md.
ALTER TABLE token_stats_mark ADD COLUMN epoch text NOT NULL DEFAULT gen_random_uuid();
