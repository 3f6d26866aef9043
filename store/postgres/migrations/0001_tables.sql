-- Postgres pays for pages, not for statements. So identity is written once and never again, and
-- what changes is appended, packed, to a journal; rows for readers stand beside it, unlogged, and
-- are rebuilt from it. See docs/decisions/0007-storage-layout.md.

-- A sequence of its own: identity columns of partitioned tables exist only from PostgreSQL 17.
CREATE SEQUENCE token_id AS integer;

-- Append-only. One partition for two hours of first sight, made by the inserter that first needs
-- one and dropped whole when its tokens are off the feed; below 0 those of the cold, which keep
-- what was bonded. Each has a hash index over mint, as an exclusion constraint: a mint is unique
-- in its partition, its entries take a third of a btree's, and so the pages that a checkpoint
-- makes expensive are few.
CREATE TABLE token (
    first_seen_at double precision NOT NULL,  -- seconds since 1970, exact to the bit
    id integer NOT NULL DEFAULT nextval('token_id'),
    period integer NOT NULL,
    bonding_curve_progress real,              -- from here to last_trade_at: as at birth
    sol_raised real,
    sol_to_graduate real,
    market_cap_sol real,
    last_trade_at integer,                    -- seconds since 2020
    decimals integer,
    freeze_revoked boolean,
    mint_renounced boolean,
    -- A longer key would fit no index page, which is an error that names no row.
    mint text COLLATE "C" NOT NULL CONSTRAINT token_mint_length CHECK (octet_length(mint) <= 64),
    symbol text,
    name text,
    metadata_uri text,
    creator_wallet text,
    bonding_curve_key text,
    total_supply text,
    pool_type text                            -- as at birth
) PARTITION BY RANGE (period);

ALTER SEQUENCE token_id OWNED BY token.id;

-- Every change of a hot value, for as long as no later snapshot holds it. A row packs the changes
-- of many tokens, one array a column: NULL for a column that changed for none of them, a NULL
-- element for a token whose value is unchanged. No index, no update, no delete, no vacuum. A row
-- fills most of a page and fillfactor puts each on a fresh one, which the server logs as the row
-- alone: never a full-page image, whenever the last checkpoint was.
CREATE TABLE token_journal_a (
    era bigint NOT NULL,                      -- the versions' high bits
    token_ids integer[] NOT NULL,
    versions integer[] NOT NULL,              -- their lower 31 bits
    observed_at integer[] NOT NULL,           -- seconds since 2020, as all times of hot values
    hot_score double precision[],
    status_changed_at integer[],
    last_trade_at integer[],
    bonding_curve_progress real[],
    sol_raised real[],
    sol_to_graduate real[],
    market_cap_sol real[],
    market_cap_usd real[],
    price_usd real[],
    price_change_24h real[],
    liquidity_usd real[],
    volume_24h real[],
    volume_change_24h real[],
    volume_24h_sol real[],
    tx_count_24h integer[],
    buys_24h integer[],
    sells_24h integer[],
    unique_traders_24h integer[],
    holder_count integer[],
    watcher_count integer[],
    status smallint[],
    previous_status smallint[],
    silent boolean[]
) WITH (fillfactor = 10, autovacuum_enabled = off);

-- Whole on its page: nothing is moved out to a second table, and so logged twice.
ALTER TABLE token_journal_a
    ALTER token_ids SET STORAGE PLAIN,
    ALTER versions SET STORAGE PLAIN,
    ALTER observed_at SET STORAGE PLAIN,
    ALTER hot_score SET STORAGE PLAIN,
    ALTER status_changed_at SET STORAGE PLAIN,
    ALTER last_trade_at SET STORAGE PLAIN,
    ALTER bonding_curve_progress SET STORAGE PLAIN,
    ALTER sol_raised SET STORAGE PLAIN,
    ALTER sol_to_graduate SET STORAGE PLAIN,
    ALTER market_cap_sol SET STORAGE PLAIN,
    ALTER market_cap_usd SET STORAGE PLAIN,
    ALTER price_usd SET STORAGE PLAIN,
    ALTER price_change_24h SET STORAGE PLAIN,
    ALTER liquidity_usd SET STORAGE PLAIN,
    ALTER volume_24h SET STORAGE PLAIN,
    ALTER volume_change_24h SET STORAGE PLAIN,
    ALTER volume_24h_sol SET STORAGE PLAIN,
    ALTER tx_count_24h SET STORAGE PLAIN,
    ALTER buys_24h SET STORAGE PLAIN,
    ALTER sells_24h SET STORAGE PLAIN,
    ALTER unique_traders_24h SET STORAGE PLAIN,
    ALTER holder_count SET STORAGE PLAIN,
    ALTER watcher_count SET STORAGE PLAIN,
    ALTER status SET STORAGE PLAIN,
    ALTER previous_status SET STORAGE PLAIN,
    ALTER silent SET STORAGE PLAIN;

-- While one side is written to, the other holds what a snapshot has made superfluous, or nothing.
CREATE TABLE token_journal_b (LIKE token_journal_a INCLUDING STORAGE)
WITH (fillfactor = 10, autovacuum_enabled = off);

CREATE TABLE token_journal_state (
    side text NOT NULL CHECK (side IN ('a', 'b')),  -- that is written to
    snapshot_bytes bigint NOT NULL,           -- with which it began
    has_base boolean NOT NULL                 -- token_stats_base takes the place of snapshots
);
INSERT INTO token_journal_state VALUES ('a', 0, false);

-- The newest hot values, a row a token, for readers. Not logged: a crash, a failover or a restore
-- empties it, and with it the mark, until the store has rebuilt both from the journal. No row
-- here without a mark, no mark without every row: the view reads the journal instead meanwhile.
CREATE UNLOGGED TABLE token_stats (
    version bigint NOT NULL,                  -- of the change; a lower one never replaces a row
    hot_score double precision,
    status_changed_at integer,
    last_trade_at integer,
    bonding_curve_progress real,
    sol_raised real,
    sol_to_graduate real,
    market_cap_sol real,
    market_cap_usd real,
    price_usd real,
    price_change_24h real,
    liquidity_usd real,
    volume_24h real,
    volume_change_24h real,
    volume_24h_sol real,
    tx_count_24h integer,
    buys_24h integer,
    sells_24h integer,
    unique_traders_24h integer,
    holder_count integer,
    watcher_count integer,
    previous_status smallint,
    silent boolean,
    observed_at integer NOT NULL,
    token_id integer PRIMARY KEY,             -- token.id
    status smallint CONSTRAINT token_stats_status CHECK (status BETWEEN 0 AND 2)
) WITH (fillfactor = 50);                     -- an update finds room on its page

CREATE UNLOGGED TABLE token_stats_mark (whole boolean PRIMARY KEY CHECK (whole));
INSERT INTO token_stats_mark VALUES (true);

-- Where replicas are read (`postgres.stats_logged`): the rows as they were when the journal last
-- began anew. Logged, and so written then alone: rarely, and all changes of a page together.
CREATE TABLE token_stats_base (LIKE token_stats INCLUDING ALL)
WITH (fillfactor = 70);                       -- rows stay on their page: next to no vacuum

-- Cold: what changes about once in a token's life, and all text.
CREATE TABLE token_profile (
    version bigint NOT NULL,
    observed_at double precision NOT NULL,
    pool_created_at double precision,
    token_id integer PRIMARY KEY,
    pool_address text,
    pool_type text,
    image_url text,
    logo_uri text,
    description text,
    twitter text,
    telegram text,
    website text
) WITH (fillfactor = 85);
