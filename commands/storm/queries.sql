-- What the storm sends beside this service's own store.

-- name: wide_table
-- The table as the Prisma model TokenDiscovery made it: one wide row a token, text keys.
CREATE TABLE "TokenDiscovery" (
    id text PRIMARY KEY,
    mint text NOT NULL,
    symbol text,
    name text,
    "logoURI" text,
    description text,
    "imageUrl" text,
    twitter text,
    telegram text,
    website text,
    state text NOT NULL DEFAULT 'new',
    "previousState" text,
    "bondingCurveProgress" double precision NOT NULL DEFAULT 0,
    "bondingCurveKey" text,
    "poolAddress" text,
    "poolType" text,
    "poolCreatedAt" timestamp(3),
    "liquidityUsd" double precision,
    "marketCapUsd" double precision,
    "volume24h" double precision,
    "volumeChange24h" double precision,
    "priceUsd" double precision,
    "priceChange24h" double precision,
    "txCount24h" integer,
    "holderCount" integer,
    decimals integer,
    "totalSupply" text,
    "lastTradeTs" timestamp(3),
    "volume24hSol" double precision,
    "buys24h" integer,
    "sells24h" integer,
    "uniqueTraders24h" integer,
    "solRaised" double precision,
    "solToGraduate" double precision,
    "creatorWallet" text,
    "freezeRevoked" boolean,
    "mintRenounced" boolean,
    "hotScore" double precision NOT NULL DEFAULT 0,
    "watcherCount" integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'NEW',
    "firstSeenAt" timestamp(3) NOT NULL,
    "lastUpdatedAt" timestamp(3) NOT NULL,
    "stateChangedAt" timestamp(3)
);
CREATE UNIQUE INDEX "TokenDiscovery_mint_key" ON "TokenDiscovery" (mint);
CREATE INDEX "TokenDiscovery_firstSeenAt_idx" ON "TokenDiscovery" ("firstSeenAt");

-- name: wide_table_hot_indexes
-- The secondary indexes on what changes; with firstSeenAt they are the model's eleven.
CREATE INDEX "TokenDiscovery_status_idx" ON "TokenDiscovery" (status);
CREATE INDEX "TokenDiscovery_state_idx" ON "TokenDiscovery" (state);
CREATE INDEX "TokenDiscovery_hotScore_idx" ON "TokenDiscovery" ("hotScore");
CREATE INDEX "TokenDiscovery_watcherCount_idx" ON "TokenDiscovery" ("watcherCount");
CREATE INDEX "TokenDiscovery_lastUpdatedAt_idx" ON "TokenDiscovery" ("lastUpdatedAt");
CREATE INDEX "TokenDiscovery_marketCapUsd_idx" ON "TokenDiscovery" ("marketCapUsd");
CREATE INDEX "TokenDiscovery_volume24h_idx" ON "TokenDiscovery" ("volume24h");
CREATE INDEX "TokenDiscovery_bondingCurveProgress_idx"
    ON "TokenDiscovery" ("bondingCurveProgress");
CREATE INDEX "TokenDiscovery_liquidityUsd_idx" ON "TokenDiscovery" ("liquidityUsd");
CREATE INDEX "TokenDiscovery_stateChangedAt_idx" ON "TokenDiscovery" ("stateChangedAt");

-- name: tables_of_schema
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY c.relname;

-- name: updates_of_schema
SELECT coalesce(sum(n_tup_upd), 0)::bigint, coalesce(sum(n_tup_hot_upd), 0)::bigint
FROM pg_stat_all_tables WHERE schemaname = $1;

-- name: wal_position
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint;

-- name: full_page_images
SELECT wal_fpi FROM pg_stat_wal;

-- name: checkpoints_to_16
SELECT checkpoints_timed + checkpoints_req, buffers_checkpoint FROM pg_stat_bgwriter;

-- name: checkpoints_from_17
SELECT num_timed + num_requested, buffers_written FROM pg_stat_checkpointer;

-- name: backends_alive
SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1::integer[]);

-- name: backends_of_store
SELECT pid FROM pg_stat_activity
WHERE application_name LIKE 'token-discovery:%' AND datname = current_database()
    AND pid <> pg_backend_pid();

-- name: background_writer
SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer';

-- name: rights
-- The role pg_checkpoint is there from 15 on.
SELECT quote_ident(current_user), quote_ident(current_database()),
    current_setting('server_version_num')::integer / 10000,
    has_database_privilege(current_database(), 'CREATE'),
    EXISTS (
        SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper
        OR rolname = 'pg_checkpoint' AND pg_has_role(oid, 'USAGE')
    );
