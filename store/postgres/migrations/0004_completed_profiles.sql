-- What more than one side tells of a token: its profile is completed after its birth, and holders
-- and developer have figures of their own. Only columns are added, at the end of everything, so
-- that no row is rewritten, no view dropped, and what others were granted on a view, or have built
-- on one, stays.

-- As at birth, and in short what nearly every birth has: quote_mint is SOL, USDC, USDT or USD1 for
-- these, else the mint; launchpad is empty where it is pool_type; total_supply is 1e9, 2e9 or 1e15
-- for these; metadata_uri has \x01 for https://ipfs.io/ipfs/, and \x02 before what is not meant so.
ALTER TABLE token
    ADD COLUMN initial_buy_sol real,
    ADD COLUMN quote_mint text,
    ADD COLUMN launchpad text;

-- What was learnt later than the birth, and hides what stands there.
ALTER TABLE token_profile
    ADD COLUMN decimals integer,
    ADD COLUMN initial_buy_sol real,
    ADD COLUMN freeze_revoked boolean,
    ADD COLUMN mint_renounced boolean,
    ADD COLUMN symbol text,
    ADD COLUMN name text,
    ADD COLUMN metadata_uri text,
    ADD COLUMN creator_wallet text,
    ADD COLUMN bonding_curve_key text,
    ADD COLUMN total_supply text,
    ADD COLUMN quote_mint text,
    ADD COLUMN launchpad text;

ALTER TABLE token_journal_a
    ADD COLUMN top_holders_percent real[],
    ADD COLUMN dev_balance_percent real[],
    ADD COLUMN organic_score real[],
    ADD COLUMN dev_mints integer[],
    ADD COLUMN dev_migrations integer[],
    ALTER top_holders_percent SET STORAGE PLAIN,
    ALTER dev_balance_percent SET STORAGE PLAIN,
    ALTER organic_score SET STORAGE PLAIN,
    ALTER dev_mints SET STORAGE PLAIN,
    ALTER dev_migrations SET STORAGE PLAIN;

ALTER TABLE token_journal_b
    ADD COLUMN top_holders_percent real[],
    ADD COLUMN dev_balance_percent real[],
    ADD COLUMN organic_score real[],
    ADD COLUMN dev_mints integer[],
    ADD COLUMN dev_migrations integer[],
    ALTER top_holders_percent SET STORAGE PLAIN,
    ALTER dev_balance_percent SET STORAGE PLAIN,
    ALTER organic_score SET STORAGE PLAIN,
    ALTER dev_mints SET STORAGE PLAIN,
    ALTER dev_migrations SET STORAGE PLAIN;

ALTER TABLE token_stats
    ADD COLUMN top_holders_percent real,
    ADD COLUMN dev_balance_percent real,
    ADD COLUMN organic_score real,
    ADD COLUMN dev_mints integer,
    ADD COLUMN dev_migrations integer;

ALTER TABLE token_stats_base
    ADD COLUMN top_holders_percent real,
    ADD COLUMN dev_balance_percent real,
    ADD COLUMN organic_score real,
    ADD COLUMN dev_mints integer,
    ADD COLUMN dev_migrations integer;

-- token_stats_folded anew: of each column of the journal the last value that is known. Every row
-- has its token, version and time, and the columns from the fifth on are values.
DO $view$
BEGIN
    EXECUTE (
        SELECT format(
            $definition$CREATE OR REPLACE VIEW token_stats_folded AS
            SELECT token_id, max(version)::bigint AS version, max(observed_at) AS observed_at, %s
            FROM (
                SELECT change.*, ((pack.era << 31) + change.version_low)::double precision AS version
                FROM (SELECT * FROM token_journal_a UNION ALL SELECT * FROM token_journal_b) AS pack
                CROSS JOIN LATERAL unnest(pack.token_ids, pack.versions, pack.observed_at, %s)
                    AS change (token_id, version_low, observed_at, %s)
            ) AS change
            GROUP BY token_id$definition$,
            string_agg(format(
                '(max(ARRAY[version, %1$I%2$s]) FILTER (WHERE %1$I IS NOT NULL))[2]%2$s::%3$s AS %1$I',
                attname,
                CASE WHEN atttypid = 'boolean[]'::regtype THEN '::integer' ELSE '' END,
                rtrim(format_type(atttypid, NULL), '[]')
            ), ', ' ORDER BY attnum),
            string_agg(format('pack.%I', attname), ', ' ORDER BY attnum),
            string_agg(format('%I', attname), ', ' ORDER BY attnum)
        )
        FROM pg_attribute
        WHERE attrelid = 'token_journal_a'::regclass AND attnum > 4 AND NOT attisdropped
    );
END
$view$;

-- token_stats_logged anew, the same way as before.
DO $view$
BEGIN
    EXECUTE (
        SELECT format(
            'CREATE OR REPLACE VIEW token_stats_logged AS SELECT token_id, %s '
            'FROM token_stats_base AS base FULL JOIN token_stats_folded AS folded USING (token_id)',
            string_agg(format(
                '%1$s(folded.%2$I, base.%2$I) AS %2$I',
                CASE WHEN attnotnull THEN 'greatest' ELSE 'coalesce' END, attname
            ), ', ' ORDER BY attnum)
        )
        FROM pg_attribute
        WHERE attrelid = 'token_stats_base'::regclass AND attnum > 0 AND attname <> 'token_id'
    );
END
$view$;

-- token_now and token_now_logged anew: what is known of the profile later hides the birth's.
DO $views$
DECLARE
    definition constant text := $definition$
CREATE OR REPLACE VIEW %I AS
SELECT
    token.period,
    token.mint,
    token.id,
    token.first_seen_at,
    coalesce(profile.symbol, token.symbol) AS symbol,
    coalesce(profile.name, token.name) AS name,
    coalesce(profile.metadata_uri, CASE left(token.metadata_uri, 1)
        WHEN E'\x01' THEN 'https://ipfs.io/ipfs/' || substr(token.metadata_uri, 2)
        WHEN E'\x02' THEN substr(token.metadata_uri, 2)
        ELSE token.metadata_uri
    END) AS metadata_uri,
    coalesce(profile.creator_wallet, token.creator_wallet) AS creator_wallet,
    coalesce(profile.bonding_curve_key, token.bonding_curve_key) AS bonding_curve_key,
    coalesce(profile.decimals, token.decimals) AS decimals,
    coalesce(profile.total_supply, CASE token.total_supply
        WHEN '1e9' THEN '1000000000'
        WHEN '2e9' THEN '2000000000'
        WHEN '1e15' THEN '1000000000000000'
        ELSE token.total_supply
    END) AS total_supply,
    coalesce(profile.freeze_revoked, token.freeze_revoked) AS freeze_revoked,
    coalesce(profile.mint_renounced, token.mint_renounced) AS mint_renounced,
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
    ) AS last_updated_at,
    coalesce(profile.quote_mint, CASE token.quote_mint
        WHEN 'SOL' THEN 'So11111111111111111111111111111111111111112'
        WHEN 'USDC' THEN 'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v'
        WHEN 'USDT' THEN 'Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB'
        WHEN 'USD1' THEN 'USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB'
        ELSE token.quote_mint
    END) AS quote_mint,
    coalesce(profile.launchpad, CASE token.launchpad
        WHEN '' THEN token.pool_type
        ELSE token.launchpad
    END) AS launchpad,
    coalesce(profile.initial_buy_sol, token.initial_buy_sol) AS initial_buy_sol,
    coalesce(folded.top_holders_percent, stats.top_holders_percent) AS top_holders_percent,
    coalesce(folded.dev_balance_percent, stats.dev_balance_percent) AS dev_balance_percent,
    coalesce(folded.dev_mints, stats.dev_mints) AS dev_mints,
    coalesce(folded.dev_migrations, stats.dev_migrations) AS dev_migrations,
    coalesce(folded.organic_score, stats.organic_score) AS organic_score
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
    EXECUTE (
        SELECT 'CREATE OR REPLACE VIEW token_shown AS SELECT * FROM '
            || CASE WHEN has_base THEN 'token_now_logged' ELSE 'token_now' END
        FROM token_journal_state
    );
END
$views$;

-- The view for readers, with the new columns at its end. {column} becomes the double precision
-- number that the literal of what is shown stands for: see 0003.
DO $migration$
DECLARE
    exact constant text := $exact$CASE
        WHEN abs(now.\1) BETWEEN 1e-16::real AND 1e6::real THEN
            round(now.\1 * 10::double precision ^ (5 - floor(log(abs(now.\1::double precision)))))
            / 10::double precision ^ (5 - floor(log(abs(now.\1::double precision))))
        WHEN abs(now.\1) BETWEEN 1e6::real AND 1e27::real THEN
            round(now.\1 / 10::double precision ^ (floor(log(abs(now.\1::double precision))) - 5))
            * 10::double precision ^ (floor(log(abs(now.\1::double precision))) - 5)
        ELSE now.\1::text::double precision
    END$exact$;
    definition constant text := $definition$
CREATE OR REPLACE VIEW "TokenDiscovery" AS
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
    coalesce({bonding_curve_progress}, 0) AS "bondingCurveProgress",
    now.bonding_curve_key AS "bondingCurveKey",
    now.pool_address AS "poolAddress",
    now.pool_type AS "poolType",
    to_timestamp(now.pool_created_at) AS "poolCreatedAt",
    {liquidity_usd} AS "liquidityUsd",
    {market_cap_usd} AS "marketCapUsd",
    {volume_24h} AS "volume24h",
    {volume_change_24h} AS "volumeChange24h",
    {price_usd} AS "priceUsd",
    {price_change_24h} AS "priceChange24h",
    now.tx_count_24h AS "txCount24h",
    now.holder_count AS "holderCount",
    now.decimals,
    now.total_supply AS "totalSupply",
    to_timestamp(now.last_trade_at) AS "lastTradeTs",
    {volume_24h_sol} AS "volume24hSol",
    now.buys_24h AS "buys24h",
    now.sells_24h AS "sells24h",
    now.unique_traders_24h AS "uniqueTraders24h",
    {sol_raised} AS "solRaised",
    {sol_to_graduate} AS "solToGraduate",
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
    {market_cap_sol} AS "marketCapSol",
    now.quote_mint AS "quoteMint",
    now.launchpad,
    {initial_buy_sol} AS "initialBuySol",
    {top_holders_percent} AS "topHoldersPercent",
    {dev_balance_percent} AS "devBalancePercent",
    now.dev_mints AS "devMints",
    now.dev_migrations AS "devMigrations",
    {organic_score} AS "organicScore"
FROM token_shown AS now
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN now.silent AND now.status IS DISTINCT FROM 2 THEN 'DEAD'
        ELSE (ARRAY['NEW', 'GRADUATING', 'BONDED'])[now.status + 1]
    END AS status
) AS shown
$definition$;
BEGIN
    EXECUTE regexp_replace(definition, '\{(\w+)\}', exact, 'g');
END
$migration$;
