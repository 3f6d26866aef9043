-- The hot values as the journal tells them: of each column the last one known. A token's versions
-- only grow from row to row, so the greatest pair of version and value holds the newest value;
-- both are exact in double precision. Rows that a snapshot has superseded change nothing.
CREATE VIEW token_stats_folded AS
SELECT
    token_id,
    max(version)::bigint AS version,
    max(observed_at) AS observed_at,
    (max(ARRAY[version, hot_score]) FILTER (WHERE hot_score IS NOT NULL))[2]::double precision AS hot_score,
    (max(ARRAY[version, status_changed_at]) FILTER (WHERE status_changed_at IS NOT NULL))[2]::integer AS status_changed_at,
    (max(ARRAY[version, last_trade_at]) FILTER (WHERE last_trade_at IS NOT NULL))[2]::integer AS last_trade_at,
    (max(ARRAY[version, bonding_curve_progress]) FILTER (WHERE bonding_curve_progress IS NOT NULL))[2]::real AS bonding_curve_progress,
    (max(ARRAY[version, sol_raised]) FILTER (WHERE sol_raised IS NOT NULL))[2]::real AS sol_raised,
    (max(ARRAY[version, sol_to_graduate]) FILTER (WHERE sol_to_graduate IS NOT NULL))[2]::real AS sol_to_graduate,
    (max(ARRAY[version, market_cap_sol]) FILTER (WHERE market_cap_sol IS NOT NULL))[2]::real AS market_cap_sol,
    (max(ARRAY[version, market_cap_usd]) FILTER (WHERE market_cap_usd IS NOT NULL))[2]::real AS market_cap_usd,
    (max(ARRAY[version, price_usd]) FILTER (WHERE price_usd IS NOT NULL))[2]::real AS price_usd,
    (max(ARRAY[version, price_change_24h]) FILTER (WHERE price_change_24h IS NOT NULL))[2]::real AS price_change_24h,
    (max(ARRAY[version, liquidity_usd]) FILTER (WHERE liquidity_usd IS NOT NULL))[2]::real AS liquidity_usd,
    (max(ARRAY[version, volume_24h]) FILTER (WHERE volume_24h IS NOT NULL))[2]::real AS volume_24h,
    (max(ARRAY[version, volume_change_24h]) FILTER (WHERE volume_change_24h IS NOT NULL))[2]::real AS volume_change_24h,
    (max(ARRAY[version, volume_24h_sol]) FILTER (WHERE volume_24h_sol IS NOT NULL))[2]::real AS volume_24h_sol,
    (max(ARRAY[version, tx_count_24h]) FILTER (WHERE tx_count_24h IS NOT NULL))[2]::integer AS tx_count_24h,
    (max(ARRAY[version, buys_24h]) FILTER (WHERE buys_24h IS NOT NULL))[2]::integer AS buys_24h,
    (max(ARRAY[version, sells_24h]) FILTER (WHERE sells_24h IS NOT NULL))[2]::integer AS sells_24h,
    (max(ARRAY[version, unique_traders_24h]) FILTER (WHERE unique_traders_24h IS NOT NULL))[2]::integer AS unique_traders_24h,
    (max(ARRAY[version, holder_count]) FILTER (WHERE holder_count IS NOT NULL))[2]::integer AS holder_count,
    (max(ARRAY[version, watcher_count]) FILTER (WHERE watcher_count IS NOT NULL))[2]::integer AS watcher_count,
    (max(ARRAY[version, status]) FILTER (WHERE status IS NOT NULL))[2]::smallint AS status,
    (max(ARRAY[version, previous_status]) FILTER (WHERE previous_status IS NOT NULL))[2]::smallint AS previous_status,
    (max(ARRAY[version, silent::integer]) FILTER (WHERE silent IS NOT NULL))[2]::integer::boolean AS silent
FROM (
    SELECT change.*, ((pack.era << 31) + change.version_low)::double precision AS version
    FROM (SELECT * FROM token_journal_a UNION ALL SELECT * FROM token_journal_b) AS pack
    CROSS JOIN LATERAL unnest(
        pack.token_ids, pack.versions, pack.observed_at, pack.hot_score,
        pack.status_changed_at, pack.last_trade_at, pack.bonding_curve_progress,
        pack.sol_raised, pack.sol_to_graduate, pack.market_cap_sol, pack.market_cap_usd,
        pack.price_usd, pack.price_change_24h, pack.liquidity_usd, pack.volume_24h,
        pack.volume_change_24h, pack.volume_24h_sol, pack.tx_count_24h, pack.buys_24h,
        pack.sells_24h, pack.unique_traders_24h, pack.holder_count, pack.watcher_count,
        pack.status, pack.previous_status, pack.silent
    ) AS change (
        token_id, version_low, observed_at, hot_score, status_changed_at, last_trade_at,
        bonding_curve_progress, sol_raised, sol_to_graduate, market_cap_sol, market_cap_usd,
        price_usd, price_change_24h, liquidity_usd, volume_24h, volume_change_24h,
        volume_24h_sol, tx_count_24h, buys_24h, sells_24h, unique_traders_24h, holder_count,
        watcher_count, status, previous_status, silent
    )
) AS change
GROUP BY token_id;

-- The hot values as the logged tables tell them: the journal laid over the base. What the base
-- has of a column is never newer than what the journal has.
DO $view$
BEGIN
    EXECUTE (
        SELECT format(
            'CREATE VIEW token_stats_logged AS SELECT token_id, %s FROM token_stats_base AS base '
            'FULL JOIN token_stats_folded AS folded USING (token_id)',
            string_agg(format(
                '%1$s(folded.%2$I, base.%2$I) AS %2$I',
                CASE WHEN attnotnull THEN 'greatest' ELSE 'coalesce' END, attname
            ), ', ')
        )
        FROM pg_attribute
        WHERE attrelid = 'token_stats_base'::regclass AND attnum > 0 AND attname <> 'token_id'
    );
END
$view$;

-- Every field of a token under its name and in its unit in the domain, by two ways to the same
-- values. token_now has the newest rows, and what is logged while their mark is missing. While
-- the mark is there that costs nothing: the executor looks it up once, before it would read the
-- journal, as long as OFFSET keeps the planner from making it a condition of the join.
-- token_now_logged reads nothing that is unlogged, and so works on a replica, too; it has base
-- and journal side by side, so that the base is looked up by its key.
DO $views$
DECLARE
    definition text := $definition$
CREATE VIEW %I AS
SELECT
    token.period,
    token.mint,
    token.id,
    token.first_seen_at,
    token.symbol,
    token.name,
    token.metadata_uri,
    token.creator_wallet,
    token.bonding_curve_key,
    token.decimals,
    token.total_supply,
    token.freeze_revoked,
    token.mint_renounced,
    coalesce(folded.status, stats.status, 0::smallint) AS status,
    coalesce(folded.previous_status, stats.previous_status) AS previous_status,
    coalesce(folded.status_changed_at, stats.status_changed_at) + 1577836800::double precision AS status_changed_at,
    coalesce(folded.silent, stats.silent, false) AS silent,
    profile.pool_address,
    coalesce(profile.pool_type, token.pool_type) AS pool_type,
    profile.pool_created_at,
    coalesce(folded.bonding_curve_progress, stats.bonding_curve_progress, token.bonding_curve_progress) AS bonding_curve_progress,
    coalesce(folded.sol_raised, stats.sol_raised, token.sol_raised) AS sol_raised,
    coalesce(folded.sol_to_graduate, stats.sol_to_graduate, token.sol_to_graduate) AS sol_to_graduate,
    coalesce(folded.market_cap_sol, stats.market_cap_sol, token.market_cap_sol) AS market_cap_sol,
    coalesce(folded.market_cap_usd, stats.market_cap_usd) AS market_cap_usd,
    coalesce(folded.price_usd, stats.price_usd) AS price_usd,
    coalesce(folded.price_change_24h, stats.price_change_24h) AS price_change_24h,
    coalesce(folded.liquidity_usd, stats.liquidity_usd) AS liquidity_usd,
    coalesce(folded.volume_24h, stats.volume_24h) AS volume_24h,
    coalesce(folded.volume_change_24h, stats.volume_change_24h) AS volume_change_24h,
    coalesce(folded.volume_24h_sol, stats.volume_24h_sol) AS volume_24h_sol,
    coalesce(folded.tx_count_24h, stats.tx_count_24h) AS tx_count_24h,
    coalesce(folded.buys_24h, stats.buys_24h) AS buys_24h,
    coalesce(folded.sells_24h, stats.sells_24h) AS sells_24h,
    coalesce(folded.unique_traders_24h, stats.unique_traders_24h) AS unique_traders_24h,
    coalesce(folded.last_trade_at, stats.last_trade_at, token.last_trade_at) + 1577836800::double precision AS last_trade_at,
    coalesce(folded.holder_count, stats.holder_count) AS holder_count,
    coalesce(folded.hot_score, stats.hot_score) AS hot_score,
    coalesce(folded.watcher_count, stats.watcher_count, 0) AS watcher_count,
    profile.image_url,
    profile.logo_uri,
    profile.description,
    profile.twitter,
    profile.telegram,
    profile.website,
    greatest(
        token.first_seen_at,
        folded.observed_at + 1577836800::double precision,
        stats.observed_at + 1577836800::double precision,
        profile.observed_at
    ) AS last_updated_at
FROM token
LEFT JOIN %s AS stats ON stats.token_id = token.id
LEFT JOIN %s AS folded ON folded.token_id = token.id
LEFT JOIN token_profile AS profile ON profile.token_id = token.id
$definition$;
BEGIN
    EXECUTE format(
        definition, 'token_now', 'token_stats',
        '(SELECT * FROM token_stats_logged WHERE NOT EXISTS (SELECT FROM token_stats_mark) OFFSET 0)'
    );
    EXECUTE format(definition, 'token_now_logged', 'token_stats_base', 'token_stats_folded');
END
$views$;

-- The way of those who read: token_now_logged where there is a base.
CREATE VIEW token_shown AS SELECT * FROM token_now;

-- One row a token under the names of the Prisma model TokenDiscovery, for its existing readers.
CREATE VIEW "TokenDiscovery" AS
SELECT
    now.mint,
    now.symbol,
    now.name,
    now.logo_uri AS "logoURI",
    now.description,
    now.image_url AS "imageUrl",
    now.twitter,
    now.telegram,
    now.website,
    lower(shown.status) AS state,
    (ARRAY['new', 'graduating', 'bonded'])[now.previous_status + 1] AS "previousState",
    coalesce(now.bonding_curve_progress, 0) AS "bondingCurveProgress",
    now.bonding_curve_key AS "bondingCurveKey",
    now.pool_address AS "poolAddress",
    now.pool_type AS "poolType",
    to_timestamp(now.pool_created_at) AS "poolCreatedAt",
    now.liquidity_usd AS "liquidityUsd",
    now.market_cap_usd AS "marketCapUsd",
    now.volume_24h AS "volume24h",
    now.volume_change_24h AS "volumeChange24h",
    now.price_usd AS "priceUsd",
    now.price_change_24h AS "priceChange24h",
    now.tx_count_24h AS "txCount24h",
    now.holder_count AS "holderCount",
    now.decimals,
    now.total_supply AS "totalSupply",
    to_timestamp(now.last_trade_at) AS "lastTradeTs",
    now.volume_24h_sol AS "volume24hSol",
    now.buys_24h AS "buys24h",
    now.sells_24h AS "sells24h",
    now.unique_traders_24h AS "uniqueTraders24h",
    now.sol_raised AS "solRaised",
    now.sol_to_graduate AS "solToGraduate",
    now.creator_wallet AS "creatorWallet",
    now.freeze_revoked AS "freezeRevoked",
    now.mint_renounced AS "mintRenounced",
    now.hot_score AS "hotScore",
    now.watcher_count AS "watcherCount",
    shown.status,
    to_timestamp(now.first_seen_at) AS "firstSeenAt",
    to_timestamp(now.last_updated_at) AS "lastUpdatedAt",
    to_timestamp(now.status_changed_at) AS "stateChangedAt",
    -- Beyond the Prisma model.
    now.metadata_uri AS "metadataUri",
    now.market_cap_sol AS "marketCapSol"
FROM token_shown AS now
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN now.silent AND now.status IS DISTINCT FROM 2 THEN 'DEAD'
        ELSE (ARRAY['NEW', 'GRADUATING', 'BONDED'])[now.status + 1]
    END AS status
) AS shown;
