-- A publication FOR ALL TABLES forbids to update a table that has no key.
ALTER TABLE token_journal_state
    ADD COLUMN is_only_row boolean NOT NULL DEFAULT true CHECK (is_only_row),
    ADD PRIMARY KEY (is_only_row);

-- The view for readers anew, its numbers in double precision: compared with a decimal literal, a
-- `real` counts as the binary number next to what it shows, and "priceUsd" <= 0.001 misses 0.001.
-- {column} becomes the double precision number that the literal of what is shown stands for.
-- Values have six significant digits, so that is a whole number of at most seven digits, times or
-- by a power of ten; both are exact from 1e-16 to 1e27, and so the one rounding is the literal's.
-- Beyond, and for 0, by way of the text. The planner takes all this for costly, and so does it
-- after ORDER BY and LIMIT, for the rows that are left; text alone would be done for every row.
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
    {market_cap_sol} AS "marketCapSol"
FROM token_shown AS now
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN now.silent AND now.status IS DISTINCT FROM 2 THEN 'DEAD'
        ELSE (ARRAY['NEW', 'GRADUATING', 'BONDED'])[now.status + 1]
    END AS status
) AS shown
$definition$;
    grants text[];
    one_grant text;
BEGIN
    -- What readers were granted on the view, which goes with it.
    SELECT array_agg(format(
        'GRANT %s ON "TokenDiscovery" TO %s%s',
        CASE WHEN attname IS NULL THEN privilege_type ELSE format('%s (%I)', privilege_type, attname) END,
        CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    ))
    INTO grants
    FROM (
        SELECT NULL::name AS attname, relacl AS acl FROM pg_class
        WHERE oid = '"TokenDiscovery"'::regclass
        UNION ALL
        SELECT attname, attacl FROM pg_attribute WHERE attrelid = '"TokenDiscovery"'::regclass
    ) AS granted, LATERAL aclexplode(acl);

    DROP VIEW "TokenDiscovery";
    EXECUTE regexp_replace(definition, '\{(\w+)\}', exact, 'g');
    FOREACH one_grant IN ARRAY coalesce(grants, '{}') LOOP
        EXECUTE one_grant;
    END LOOP;
END
$migration$;
