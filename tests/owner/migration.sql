-- As `prisma migrate diff --from-empty --to-schema-datamodel schema.prisma --script` prints it.
-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "TokenDiscovery" (
    "id" TEXT NOT NULL,
    "mint" TEXT NOT NULL,
    "symbol" TEXT,
    "name" TEXT,
    "logoURI" TEXT,
    "description" TEXT,
    "imageUrl" TEXT,
    "twitter" TEXT,
    "telegram" TEXT,
    "website" TEXT,
    "state" TEXT NOT NULL DEFAULT 'new',
    "previousState" TEXT,
    "bondingCurveProgress" DECIMAL(65,30),
    "bondingCurveKey" TEXT,
    "poolAddress" TEXT,
    "poolType" TEXT,
    "poolCreatedAt" TIMESTAMP(3),
    "liquidityUsd" DECIMAL(65,30),
    "marketCapUsd" DECIMAL(65,30),
    "volume24h" DECIMAL(65,30),
    "volumeChange24h" DECIMAL(65,30),
    "priceUsd" DECIMAL(65,30),
    "priceChange24h" DECIMAL(65,30),
    "txCount24h" INTEGER,
    "holderCount" INTEGER,
    "decimals" INTEGER,
    "totalSupply" TEXT,
    "lastTradeTs" TIMESTAMP(3),
    "volume24hSol" DECIMAL(65,30) DEFAULT 0,
    "buys24h" INTEGER DEFAULT 0,
    "sells24h" INTEGER DEFAULT 0,
    "uniqueTraders24h" INTEGER DEFAULT 0,
    "solRaised" DECIMAL(65,30) DEFAULT 0,
    "solToGraduate" DECIMAL(65,30) DEFAULT 0,
    "creatorWallet" TEXT,
    "creatorVerified" BOOLEAN NOT NULL DEFAULT false,
    "freezeRevoked" BOOLEAN NOT NULL DEFAULT false,
    "mintRenounced" BOOLEAN NOT NULL DEFAULT false,
    "mintAuthorityRevoked" BOOLEAN NOT NULL DEFAULT false,
    "sellable" BOOLEAN NOT NULL DEFAULT true,
    "tradeFailRate" DECIMAL(65,30) DEFAULT 0,
    "top1HolderPct" DECIMAL(65,30),
    "top5HolderPct" DECIMAL(65,30),
    "priceImpact1Pct" DECIMAL(65,30),
    "ath" DECIMAL(65,30),
    "hotScore" DECIMAL(65,30) NOT NULL DEFAULT 0,
    "watcherCount" INTEGER NOT NULL DEFAULT 0,
    "status" TEXT NOT NULL DEFAULT 'LAUNCHING',
    "firstSeenAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUpdatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "stateChangedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TokenDiscovery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TokenWatch" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "mint" TEXT NOT NULL,
    "notifyOnGraduation" BOOLEAN NOT NULL DEFAULT true,
    "notifyOnMigration" BOOLEAN NOT NULL DEFAULT true,
    "notifyOnPriceChange" BOOLEAN NOT NULL DEFAULT false,
    "currentState" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TokenWatch_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "TokenDiscovery_mint_key" ON "TokenDiscovery"("mint");

-- CreateIndex
CREATE INDEX "TokenDiscovery_status_idx" ON "TokenDiscovery"("status");

-- CreateIndex
CREATE INDEX "TokenDiscovery_state_idx" ON "TokenDiscovery"("state");

-- CreateIndex
CREATE INDEX "TokenDiscovery_hotScore_idx" ON "TokenDiscovery"("hotScore");

-- CreateIndex
CREATE INDEX "TokenDiscovery_watcherCount_idx" ON "TokenDiscovery"("watcherCount");

-- CreateIndex
CREATE INDEX "TokenDiscovery_firstSeenAt_idx" ON "TokenDiscovery"("firstSeenAt");

-- CreateIndex
CREATE INDEX "TokenDiscovery_lastUpdatedAt_idx" ON "TokenDiscovery"("lastUpdatedAt");

-- CreateIndex
CREATE INDEX "TokenDiscovery_stateChangedAt_idx" ON "TokenDiscovery"("stateChangedAt");

-- CreateIndex
CREATE INDEX "TokenDiscovery_marketCapUsd_idx" ON "TokenDiscovery"("marketCapUsd");

-- CreateIndex
CREATE INDEX "TokenDiscovery_volume24h_idx" ON "TokenDiscovery"("volume24h");

-- CreateIndex
CREATE INDEX "TokenDiscovery_bondingCurveProgress_idx" ON "TokenDiscovery"("bondingCurveProgress");

-- CreateIndex
CREATE INDEX "TokenDiscovery_liquidityUsd_idx" ON "TokenDiscovery"("liquidityUsd");

-- CreateIndex
CREATE UNIQUE INDEX "TokenWatch_userId_mint_key" ON "TokenWatch"("userId", "mint");

