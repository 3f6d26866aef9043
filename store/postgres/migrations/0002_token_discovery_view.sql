-- One row a token under the names of the Prisma model TokenDiscovery, for its existing readers.
CREATE VIEW "TokenDiscovery" AS
SELECT
    token.mint,
    token.symbol,
    token.name,
    profile.logo_uri AS "logoURI",
    profile.description,
    profile.image_url AS "imageUrl",
    profile.twitter,
    profile.telegram,
    profile.website,
    lower(shown.status) AS state,
    (ARRAY['new', 'graduating', 'bonded'])[stats.previous_status + 1] AS "previousState",
    coalesce(stats.bonding_curve_progress, token.bonding_curve_progress, 0)
        AS "bondingCurveProgress",
    token.bonding_curve_key AS "bondingCurveKey",
    profile.pool_address AS "poolAddress",
    coalesce(profile.pool_type, token.pool_type) AS "poolType",
    to_timestamp(profile.pool_created_at) AS "poolCreatedAt",
    stats.liquidity_usd AS "liquidityUsd",
    stats.market_cap_usd AS "marketCapUsd",
    stats.volume_24h AS "volume24h",
    stats.volume_change_24h AS "volumeChange24h",
    stats.price_usd AS "priceUsd",
    stats.price_change_24h AS "priceChange24h",
    stats.tx_count_24h AS "txCount24h",
    stats.holder_count AS "holderCount",
    token.decimals,
    token.total_supply AS "totalSupply",
    to_timestamp(stats.last_trade_at) AS "lastTradeTs",
    stats.volume_24h_sol AS "volume24hSol",
    stats.buys_24h AS "buys24h",
    stats.sells_24h AS "sells24h",
    stats.unique_traders_24h AS "uniqueTraders24h",
    coalesce(stats.sol_raised, token.sol_raised) AS "solRaised",
    coalesce(stats.sol_to_graduate, token.sol_to_graduate) AS "solToGraduate",
    token.creator_wallet AS "creatorWallet",
    token.freeze_revoked AS "freezeRevoked",
    token.mint_renounced AS "mintRenounced",
    stats.hot_score AS "hotScore",
    coalesce(stats.watcher_count, 0) AS "watcherCount",
    shown.status,
    to_timestamp(token.first_seen_at) AS "firstSeenAt",
    to_timestamp(greatest(token.first_seen_at, stats.observed_at, profile.observed_at))
        AS "lastUpdatedAt",
    to_timestamp(stats.status_changed_at) AS "stateChangedAt",
    -- Beyond the Prisma model.
    token.metadata_uri AS "metadataUri",
    coalesce(stats.market_cap_sol, token.market_cap_sol) AS "marketCapSol"
FROM token
LEFT JOIN token_stats AS stats ON stats.token_id = token.id
LEFT JOIN token_profile AS profile ON profile.token_id = token.id
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN stats.silent AND stats.status IS DISTINCT FROM 2 THEN 'DEAD'
        ELSE (ARRAY['NEW', 'GRADUATING', 'BONDED'])[coalesce(stats.status, 0) + 1]
    END AS status
) AS shown;
