-- What `token-discovery import`, `export` and `compare` send to Postgres beside the store's own
-- statements (queries.sql). A name in braces is filled in when it is used: {table} is quoted and
-- with its schema, lists are of quoted columns. $1 is a parameter.

-- name: relation
-- What stands under a name, who made it by its comment, and its columns; nothing where it is not.
SELECT relkind::text, obj_description(relation.oid, 'pg_class'), ARRAY(
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
), ARRAY(
    SELECT format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
), greatest(reltuples, 0)::bigint
FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
WHERE nspname = $1 AND relname = $2 AND relkind IN ('r', 'p', 'f', 'v', 'm');

-- name: rows_without_key
SELECT count(*) FROM {table} WHERE mint IS NULL OR "firstSeenAt" IS NULL;

-- name: first_page
SELECT his."firstSeenAt"::text, his.mint::text, {columns} FROM {table} AS his
WHERE his.mint IS NOT NULL AND his."firstSeenAt" IS NOT NULL
ORDER BY his."firstSeenAt" DESC, his.mint DESC LIMIT $1::integer;

-- name: next_page
-- By the key, newest first: neither a cursor nor an offset, so that no transaction outlives a page.
SELECT his."firstSeenAt"::text, his.mint::text, {columns} FROM {table} AS his
WHERE (his."firstSeenAt", his.mint) < ($2::text::{time_type}, $3::text)
ORDER BY his."firstSeenAt" DESC, his.mint DESC LIMIT $1::integer;

-- name: mints_of
SELECT mint::text FROM {table} WHERE mint = ANY ($1::text[]);

-- name: has_tokens
SELECT to_regclass('token') IS NOT NULL;

-- name: known_versions
-- Of the newest change that is stored; 0 before the first.
SELECT token.mint, greatest(stats.version, profile.version, 0)
FROM token
LEFT JOIN token_stats AS stats ON stats.token_id = token.id
LEFT JOIN token_profile AS profile ON profile.token_id = token.id
WHERE token.mint = ANY ($1::text[]);

-- name: periods
SELECT substring(pg_get_expr(relpartbound, pg_class.oid) FROM 'FROM \(''?(-?\d+)')::integer AS period
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = to_regclass('token')
ORDER BY period;

-- name: mints_of_period
SELECT mint FROM token WHERE period = $1::integer AND mint > $2::text ORDER BY mint LIMIT $3::integer;

-- name: told
-- Every token of $1 in the words and columns of the model, NULL where nothing is known: what the
-- view shows, but for its defaults and for what its settings change. `rank` is how far it has come.
SELECT
    shown.mint,
    shown.symbol,
    shown.name,
    shown."logoURI",
    shown.description,
    shown."imageUrl",
    shown.twitter,
    shown.telegram,
    shown.website,
    (ARRAY['new', 'graduating', 'bonded'])[kept.status + 1] AS state,
    shown."previousState",
    CASE WHEN kept.bonding_curve_progress IS NOT NULL THEN shown."bondingCurveProgress" END AS "bondingCurveProgress",
    shown."bondingCurveKey",
    shown."poolAddress",
    shown."poolType",
    shown."poolCreatedAt",
    shown."liquidityUsd",
    shown."marketCapUsd",
    shown."volume24h",
    shown."volumeChange24h",
    shown."priceUsd",
    shown."priceChange24h",
    shown."txCount24h",
    shown."holderCount",
    shown.decimals,
    shown."totalSupply",
    shown."lastTradeTs",
    CASE WHEN kept.volume_24h_sol IS NOT NULL THEN shown."volume24hSol" END AS "volume24hSol",
    kept.buys_24h AS "buys24h",
    kept.sells_24h AS "sells24h",
    kept.unique_traders_24h AS "uniqueTraders24h",
    CASE WHEN kept.sol_raised IS NOT NULL THEN shown."solRaised" END AS "solRaised",
    CASE WHEN kept.sol_to_graduate IS NOT NULL THEN shown."solToGraduate" END AS "solToGraduate",
    shown."creatorWallet",
    kept.freeze_revoked AS "freezeRevoked",
    kept.mint_renounced AS "mintRenounced",
    kept.mint_renounced AS "mintAuthorityRevoked",
    -- As the view has it with `postgres.hot_score_form = "hundred"`: 0005, and domain/scoring.py.
    CASE WHEN kept.hot_score IS NOT NULL THEN
        greatest(0, least(100, round(50 + 5 * (kept.hot_score
            - (extract(epoch FROM now())::double precision - 1735689600) / settings.half_life_seconds
        ))))
    END AS "hotScore",
    CASE
        WHEN kept.status = 2 THEN 'BONDED'
        WHEN kept.silent THEN 'DEAD'
        WHEN kept.status = 1 THEN 'ABOUT_TO_BOND'
        WHEN kept.hot_score IS NOT NULL THEN 'ACTIVE'
        ELSE 'LAUNCHING'
    END AS status,
    shown."firstSeenAt",
    shown."lastUpdatedAt",
    CASE WHEN kept.status_changed_at IS NOT NULL THEN shown."stateChangedAt" END AS "stateChangedAt",
    kept.status + 1 AS rank
FROM (SELECT * FROM "TokenDiscovery" WHERE mint = ANY ($1::text[])) AS shown
JOIN (SELECT * FROM token_now WHERE mint = ANY ($1::text[])) AS kept ON kept.mint = shown.mint
CROSS JOIN token_reader_settings AS settings

-- name: update_told
-- Of a row that is there already, what changed since: where ours is the newer. Values have whole
-- seconds here, so that an imported row that has not changed is not newer than it was.
UPDATE {table} AS stored SET {assignments}
FROM ({told}) AS told
WHERE stored.mint = told.mint COLLATE "default"
    AND date_trunc('second', told."lastUpdatedAt") > date_trunc('second', stored."lastUpdatedAt");

-- name: insert_told
INSERT INTO {table} ({columns})
SELECT {values} FROM ({told}) AS told {ids}
WHERE NOT EXISTS (
    SELECT FROM {table} AS stored WHERE stored.mint = told.mint COLLATE "default"
)
ON CONFLICT DO NOTHING;

-- name: known_ids
LEFT JOIN {table} AS known ON known.mint = told.mint COLLATE "default"
