-- A table of the shape that Prisma's migration gives the model TokenDiscovery, for
-- `token-discovery export`: names, types, defaults, NOT NULLs, keys and secondary indexes.
-- {table} is quoted and with its schema, {name} is its name without quotes, doubled inside.

-- name: make_table
CREATE TABLE {table} (
    "id" text NOT NULL,
    "mint" text NOT NULL,
    "symbol" text,
    "name" text,
    "logoURI" text,
    "description" text,
    "imageUrl" text,
    "twitter" text,
    "telegram" text,
    "website" text,
    "state" text NOT NULL DEFAULT 'new',
    "previousState" text,
    "bondingCurveProgress" numeric(65, 30),
    "bondingCurveKey" text,
    "poolAddress" text,
    "poolType" text,
    "poolCreatedAt" timestamp(3),
    "liquidityUsd" numeric(65, 30),
    "marketCapUsd" numeric(65, 30),
    "volume24h" numeric(65, 30),
    "volumeChange24h" numeric(65, 30),
    "priceUsd" numeric(65, 30),
    "priceChange24h" numeric(65, 30),
    "txCount24h" integer,
    "holderCount" integer,
    "decimals" integer,
    "totalSupply" text,
    "lastTradeTs" timestamp(3),
    "volume24hSol" numeric(65, 30) DEFAULT 0,
    "buys24h" integer DEFAULT 0,
    "sells24h" integer DEFAULT 0,
    "uniqueTraders24h" integer DEFAULT 0,
    "solRaised" numeric(65, 30) DEFAULT 0,
    "solToGraduate" numeric(65, 30) DEFAULT 0,
    "creatorWallet" text,
    "creatorVerified" boolean NOT NULL DEFAULT false,
    "freezeRevoked" boolean NOT NULL DEFAULT false,
    "mintRenounced" boolean NOT NULL DEFAULT false,
    "mintAuthorityRevoked" boolean NOT NULL DEFAULT false,
    "sellable" boolean NOT NULL DEFAULT true,
    "tradeFailRate" numeric(65, 30) DEFAULT 0,
    "top1HolderPct" numeric(65, 30),
    "top5HolderPct" numeric(65, 30),
    "priceImpact1Pct" numeric(65, 30),
    "ath" numeric(65, 30),
    "hotScore" numeric(65, 30) NOT NULL DEFAULT 0,
    "watcherCount" integer NOT NULL DEFAULT 0,
    "status" text NOT NULL DEFAULT 'LAUNCHING',
    "firstSeenAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUpdatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "stateChangedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "{name}_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "{name}_mint_key" ON {table} ("mint");
COMMENT ON TABLE {table} IS '{mark}';

-- name: make_indexes
-- Last, so that rows are not written into each of them one by one.
CREATE INDEX IF NOT EXISTS "{name}_status_idx" ON {table} ("status");
CREATE INDEX IF NOT EXISTS "{name}_state_idx" ON {table} ("state");
CREATE INDEX IF NOT EXISTS "{name}_hotScore_idx" ON {table} ("hotScore");
CREATE INDEX IF NOT EXISTS "{name}_watcherCount_idx" ON {table} ("watcherCount");
CREATE INDEX IF NOT EXISTS "{name}_firstSeenAt_idx" ON {table} ("firstSeenAt");
CREATE INDEX IF NOT EXISTS "{name}_lastUpdatedAt_idx" ON {table} ("lastUpdatedAt");
CREATE INDEX IF NOT EXISTS "{name}_stateChangedAt_idx" ON {table} ("stateChangedAt");
CREATE INDEX IF NOT EXISTS "{name}_marketCapUsd_idx" ON {table} ("marketCapUsd");
CREATE INDEX IF NOT EXISTS "{name}_volume24h_idx" ON {table} ("volume24h");
CREATE INDEX IF NOT EXISTS "{name}_bondingCurveProgress_idx" ON {table} ("bondingCurveProgress");
CREATE INDEX IF NOT EXISTS "{name}_liquidityUsd_idx" ON {table} ("liquidityUsd");
COMMENT ON TABLE {table} IS '{mark}';

-- name: drop_table
DROP TABLE {table};
