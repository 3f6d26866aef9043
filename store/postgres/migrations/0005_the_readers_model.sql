-- "TokenDiscovery" becomes what the model of its readers says, column by column and type by type,
-- and their feed reads it in milliseconds: see docs/decisions/0015-the-readers-view.md.

-- How readers want to be told what the service calls otherwise; it writes this when it starts.
CREATE TABLE token_reader_settings (
    status_words text NOT NULL,
    hot_score_form text NOT NULL,
    half_life_seconds double precision NOT NULL,
    is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row)
);
INSERT INTO token_reader_settings VALUES ('NEW', 'raw', 1800);

-- What nothing in a feed's query filters or sorts by: of births, and of profiles over them. Not
-- logged, and in step with its sources by the triggers below.
CREATE UNLOGGED TABLE token_card (
    token_id integer PRIMARY KEY,
    updated_at double precision,              -- all times in seconds since 1970
    last_trade_at double precision,
    pool_created_at double precision,
    bonding_curve_progress real,
    sol_raised real,
    sol_to_graduate real,
    market_cap_sol real,
    initial_buy_sol real,
    decimals integer,
    freeze_revoked boolean,
    mint_renounced boolean,
    symbol text,
    name text,
    metadata_uri text,
    creator_wallet text,
    bonding_curve_key text,
    total_supply text,
    quote_mint text,
    launchpad text,
    pool_type text,
    pool_address text,
    image_url text,
    logo_uri text,
    description text,
    twitter text,
    telegram text,
    website text
) WITH (fillfactor = 90);

-- token_stats anew: a row for every token, with what a feed filters and sorts by in front, in the
-- types that readers get. Its values come again from the journal: the service finds the mark
-- missing, now as after a crash. What depends on the views is in the way, and told by name.
DO $migration$
DECLARE
    now_definition constant text := pg_get_viewdef('token_now'::regclass);
    shown_definition constant text := pg_get_viewdef('token_shown'::regclass);
    grants text[];
    one_grant text;
    -- What a state and a status hang on, in one number: the status, whether a trade has counted for
    -- the score, and silence. The planner takes a CASE of more than ten tests for costly.
    standing constant text := '(4 * coalesce(status, 0) + 2 * (hot_score IS NOT NULL)::integer '
        '+ coalesce(silent, false)::integer)::smallint';
    -- {kind field} is a field of the domain: `value` as it is kept, `number` as a model's Decimal,
    -- `exact` as the double precision number that the literal of what is shown stands for, `time`
    -- as a model's DateTime.
    columns constant text := $columns$
    now.mint,
    {value symbol} AS symbol,
    {value name} AS name,
    {value logo_uri} AS "logoURI",
    {value description} AS description,
    {value image_url} AS "imageUrl",
    {value twitter} AS twitter,
    {value telegram} AS telegram,
    {value website} AS website,
    CASE WHEN (SELECT status_words = 'LAUNCHING' FROM token_reader_settings) THEN
        CASE now.standing
            WHEN 0 THEN 'new' WHEN 1 THEN 'new' WHEN 2 THEN 'new' WHEN 3 THEN 'new'
            WHEN 4 THEN 'graduating' WHEN 5 THEN 'graduating' WHEN 6 THEN 'graduating' WHEN 7 THEN 'graduating'
            ELSE 'bonded'
        END
    ELSE
        CASE now.standing
            WHEN 0 THEN 'new' WHEN 1 THEN 'dead' WHEN 2 THEN 'new' WHEN 3 THEN 'dead'
            WHEN 4 THEN 'graduating' WHEN 5 THEN 'dead' WHEN 6 THEN 'graduating' WHEN 7 THEN 'dead'
            ELSE 'bonded'
        END
    END AS state,
    (ARRAY['new', 'graduating', 'bonded'])[{value previous_status} + 1] AS "previousState",
    coalesce({number bonding_curve_progress}, 0)::numeric(65, 30) AS "bondingCurveProgress",
    {value bonding_curve_key} AS "bondingCurveKey",
    {value pool_address} AS "poolAddress",
    {value pool_type} AS "poolType",
    {time pool_created_at} AS "poolCreatedAt",
    {number liquidity_usd}::numeric(65, 30) AS "liquidityUsd",
    {number market_cap_usd}::numeric(65, 30) AS "marketCapUsd",
    now.volume_24h AS "volume24h",
    {number volume_change_24h}::numeric(65, 30) AS "volumeChange24h",
    {number price_usd}::numeric(65, 30) AS "priceUsd",
    {number price_change_24h}::numeric(65, 30) AS "priceChange24h",
    {value tx_count_24h} AS "txCount24h",
    {value holder_count} AS "holderCount",
    {value decimals} AS decimals,
    {value total_supply} AS "totalSupply",
    {time last_trade_at} AS "lastTradeTs",
    coalesce({number volume_24h_sol}, 0)::numeric(65, 30) AS "volume24hSol",
    coalesce({value buys_24h}, 0) AS "buys24h",
    coalesce({value sells_24h}, 0) AS "sells24h",
    coalesce({value unique_traders_24h}, 0) AS "uniqueTraders24h",
    coalesce({number sol_raised}, 0)::numeric(65, 30) AS "solRaised",
    coalesce({number sol_to_graduate}, 0)::numeric(65, 30) AS "solToGraduate",
    {value creator_wallet} AS "creatorWallet",
    coalesce({value freeze_revoked}, false) AS "freezeRevoked",
    coalesce({value mint_renounced}, false) AS "mintRenounced",
    -- 50 + 5 log2(SOL), which is 0 for 0.001 SOL and 100 for 1000, of the SOL that the score
    -- stands for at this moment: see domain/scoring.py.
    CASE WHEN (SELECT hot_score_form = 'hundred' FROM token_reader_settings) THEN
        greatest(0, least(100, coalesce(round(50 + 5 * (now.hot_score - (
            SELECT (extract(epoch FROM now())::double precision - 1735689600) / half_life_seconds
            FROM token_reader_settings
        ))), 0)))
    ELSE coalesce(now.hot_score, 0) END AS "hotScore",
    coalesce({value watcher_count}, 0) AS "watcherCount",
    CASE WHEN (SELECT status_words = 'LAUNCHING' FROM token_reader_settings) THEN
        CASE now.standing
            WHEN 0 THEN 'LAUNCHING' WHEN 1 THEN 'DEAD' WHEN 2 THEN 'ACTIVE' WHEN 3 THEN 'DEAD'
            WHEN 4 THEN 'ABOUT_TO_BOND' WHEN 5 THEN 'DEAD' WHEN 6 THEN 'ABOUT_TO_BOND' WHEN 7 THEN 'DEAD'
            ELSE 'BONDED'
        END
    ELSE
        CASE now.standing
            WHEN 0 THEN 'NEW' WHEN 1 THEN 'DEAD' WHEN 2 THEN 'NEW' WHEN 3 THEN 'DEAD'
            WHEN 4 THEN 'GRADUATING' WHEN 5 THEN 'DEAD' WHEN 6 THEN 'GRADUATING' WHEN 7 THEN 'DEAD'
            ELSE 'BONDED'
        END
    END AS status,
    now.first_seen_at AS "firstSeenAt",
    {updated} AS "lastUpdatedAt",
    now.state_changed_at AS "stateChangedAt",
    -- What this service does not know has the model's default, or NULL.
    now.mint AS id,
    NULL::numeric(65, 30) AS ath,
    NULL::numeric(65, 30) AS "priceImpact1Pct",
    false AS "creatorVerified",
    NULL::numeric(65, 30) AS "top1HolderPct",
    NULL::numeric(65, 30) AS "top5HolderPct",
    coalesce({value mint_renounced}, false) AS "mintAuthorityRevoked",
    true AS sellable,
    0::numeric(65, 30) AS "tradeFailRate",
    -- Beyond the model.
    {value metadata_uri} AS "metadataUri",
    {exact market_cap_sol} AS "marketCapSol",
    {value quote_mint} AS "quoteMint",
    {value launchpad} AS launchpad,
    {exact initial_buy_sol} AS "initialBuySol",
    {exact top_holders_percent} AS "topHoldersPercent",
    {exact dev_balance_percent} AS "devBalancePercent",
    {value dev_mints} AS "devMints",
    {value dev_migrations} AS "devMigrations",
    {exact organic_score} AS "organicScore"
$columns$;
    -- As in 0003: the planner takes it for costly, and computes it for the rows that are left.
    costly_exact constant text := $exact$CASE
        WHEN abs(\1) BETWEEN 1e-16::real AND 1e6::real THEN
            round(\1 * 10::double precision ^ (5 - floor(log(abs(\1::double precision)))))
            / 10::double precision ^ (5 - floor(log(abs(\1::double precision))))
        WHEN abs(\1) BETWEEN 1e6::real AND 1e27::real THEN
            round(\1 / 10::double precision ^ (floor(log(abs(\1::double precision))) - 5))
            * 10::double precision ^ (floor(log(abs(\1::double precision))) - 5)
        ELSE \1::text::double precision
    END$exact$;
    -- A Decimal has 35 digits before its point. A real has the six that a value is kept with.
    number constant text := 'CASE WHEN abs(\1) < 1e35::real THEN \1::numeric(65, 30) END';
    -- Elsewhere (...)::numeric(65, 30) says so once more: no CASE keeps a type's precision.
    costly_number constant text := replace(number, '\1::', format('(%s)::', costly_exact));
    exact constant text := '\1::numeric::double precision';
    moment constant text := '(to_timestamp(\1) AT TIME ZONE INTERVAL ''0'')::timestamp(3)';
    shown_now text := columns;
    shown_logged text := columns;
    kind text;
    field text;
    conversion text;
    look_ups text;
BEGIN
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
    DROP VIEW token_shown;
    DROP VIEW token_now;
    DROP TABLE token_stats;
    DELETE FROM token_stats_mark;

    EXECUTE format(
        $table$CREATE UNLOGGED TABLE token_stats (
            token_id integer PRIMARY KEY,         -- token.id
            standing smallint GENERATED ALWAYS AS (%s) STORED,
            hot_score double precision,
            first_seen_at timestamp(3),
            state_changed_at timestamp(3) GENERATED ALWAYS AS (coalesce(%s, first_seen_at)) STORED,
            decimal_volume_24h numeric(65, 30) GENERATED ALWAYS AS (%s) STORED,
            status smallint CONSTRAINT token_stats_status CHECK (status BETWEEN 0 AND 2),
            silent boolean,
            version bigint,                       -- of the last change; NULL: none since the birth
            observed_at integer,
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
            top_holders_percent real,
            dev_balance_percent real,
            organic_score real,
            dev_mints integer,
            dev_migrations integer,
            mint text COLLATE "C"                 -- NULL: the token is gone, and so not shown
        ) WITH (fillfactor = 35)$table$,        -- rows grow after their birth, on their page
        standing,
        replace(moment, '\1', 'status_changed_at + 1577836800::double precision'),
        replace(number, '\1', 'volume_24h')
    );
    CREATE INDEX ON token_stats USING hash (mint);

    EXECUTE 'CREATE VIEW token_now AS ' || now_definition;
    EXECUTE 'CREATE VIEW token_shown AS ' || shown_definition;

    -- Tokens without a row, as between a crash and the rebuild. For whoever may read the view, as
    -- if its text stood in there; so it would be planned by every query.
    EXECUTE $function$
        CREATE FUNCTION token_without_row() RETURNS SETOF token_now
        LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 COST 1 SET jit = off
        BEGIN ATOMIC
            SELECT * FROM token_now
            WHERE NOT EXISTS (SELECT FROM token_stats_mark)
                AND NOT EXISTS (SELECT FROM token_stats WHERE token_id = token_now.id);
        END
    $function$;

    -- Each field by its key from where it stands: after ORDER BY and LIMIT, since the planner takes
    -- a look-up for costly, and does it for the rows that are left.
    FOR kind, field IN
        SELECT DISTINCT parts[1], parts[2] FROM regexp_matches(columns, '\{(\w+) (\w+)\}', 'g') AS parts
    LOOP
        conversion := CASE kind
            WHEN 'number' THEN number WHEN 'exact' THEN exact WHEN 'time' THEN moment ELSE '\1'
        END;
        SELECT string_agg(format(
            '(SELECT %s FROM token_%s AS %2$s WHERE %2$s.token_id = now.token_id), ',
            replace(conversion, '\1', format(
                CASE WHEN kind = 'time' AND source = 'stats' THEN '(%s.%I + 1577836800::double precision)'
                ELSE '%s.%I' END, source, field)),
            source
        ), '' ORDER BY source = 'card')
        INTO look_ups
        FROM unnest(ARRAY['stats', 'card']) AS source
        WHERE EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = format('token_%s', source)::regclass AND attname = field
        );
        shown_now := replace(shown_now, format('{%s %s}', kind, field), CASE
            WHEN field IN ('liquidity_usd', 'market_cap_usd') THEN  -- filtered by, so no look-ups
                format('(%s)', replace(costly_number, '\1', format('now.%I', field)))
            ELSE format(
                'coalesce(%s%s)', look_ups,
                replace(conversion, '\1', format('(now.without_row).%I', field)))
        END);
        shown_logged := replace(shown_logged, format('{%s %s}', kind, field), format('(%s)', replace(
            CASE kind WHEN 'number' THEN costly_number WHEN 'exact' THEN costly_exact ELSE conversion END,
            '\1', format('kept.%I', field)
        )));
    END LOOP;

    EXECUTE format(
        $view$CREATE VIEW token_discovery_now AS SELECT %s
        FROM (
            SELECT token_id, mint, standing, hot_score, first_seen_at, state_changed_at,
                decimal_volume_24h AS volume_24h, liquidity_usd, market_cap_usd,
                NULL::token_now AS without_row
            FROM token_stats
            UNION ALL
            SELECT id, mint, %s, hot_score, %s, %s, (%s)::numeric(65, 30), liquidity_usd, market_cap_usd, without_row
            FROM token_without_row() AS without_row
            WHERE NOT EXISTS (SELECT FROM token_stats_mark)
        ) AS now
        WHERE now.mint IS NOT NULL$view$,
        replace(shown_now, '{updated}', format(
            'greatest(now.first_seen_at, '
            '(SELECT %s FROM token_stats AS stats WHERE stats.token_id = now.token_id), '
            '(SELECT %s FROM token_card AS card WHERE card.token_id = now.token_id), %s)',
            replace(moment, '\1', 'stats.observed_at + 1577836800::double precision'),
            replace(moment, '\1', 'card.updated_at'),
            replace(moment, '\1', '(now.without_row).last_updated_at')
        )),
        standing,
        replace(moment, '\1', 'first_seen_at'),
        replace(moment, '\1', 'coalesce(status_changed_at, first_seen_at)'),
        replace(number, '\1', 'volume_24h')
    );
    EXECUTE format(
        $view$CREATE VIEW token_discovery_logged AS SELECT %s
        FROM token_now_logged AS kept
        CROSS JOIN LATERAL (
            SELECT kept.mint, %s AS standing, kept.hot_score, %s AS first_seen_at,
                %s AS state_changed_at, (%s)::numeric(65, 30) AS volume_24h
        ) AS now$view$,
        replace(shown_logged, '{updated}', replace(moment, '\1', 'kept.last_updated_at')),
        standing,
        replace(moment, '\1', 'kept.first_seen_at'),
        replace(moment, '\1', 'coalesce(kept.status_changed_at, kept.first_seen_at)'),
        replace(costly_number, '\1', 'kept.volume_24h')
    );
    EXECUTE format(
        'CREATE VIEW "TokenDiscovery" AS SELECT * FROM %I',
        CASE WHEN has_base THEN 'token_discovery_logged' ELSE 'token_discovery_now' END
    ) FROM token_journal_state;
    FOREACH one_grant IN ARRAY coalesce(grants, '{}') LOOP
        EXECUTE one_grant;
    END LOOP;
END
$migration$;

-- A new token gets its row and its card by whoever inserts it, also where it turns cold.
CREATE FUNCTION token_show_births() RETURNS trigger
LANGUAGE plpgsql AS $trigger$
BEGIN
    INSERT INTO token_stats (token_id, mint, first_seen_at)
    SELECT id, mint, to_timestamp(first_seen_at) AT TIME ZONE INTERVAL '0' FROM born
    ON CONFLICT (token_id) DO NOTHING;
    INSERT INTO token_card (
        token_id, last_trade_at, bonding_curve_progress, sol_raised, sol_to_graduate, market_cap_sol,
        initial_buy_sol, decimals, freeze_revoked, mint_renounced, symbol, name, metadata_uri,
        creator_wallet, bonding_curve_key, total_supply, quote_mint, launchpad, pool_type
    )
    SELECT
        id, last_trade_at + 1577836800::double precision, bonding_curve_progress, sol_raised,
        sol_to_graduate, market_cap_sol, initial_buy_sol, decimals, freeze_revoked, mint_renounced,
        symbol, name,
        CASE left(metadata_uri, 1)  -- the ways back of 0004
            WHEN E'\x01' THEN 'https://ipfs.io/ipfs/' || substr(metadata_uri, 2)
            WHEN E'\x02' THEN substr(metadata_uri, 2)
            ELSE metadata_uri
        END,
        creator_wallet, bonding_curve_key,
        CASE total_supply
            WHEN '1e9' THEN '1000000000'
            WHEN '2e9' THEN '2000000000'
            WHEN '1e15' THEN '1000000000000000'
            ELSE total_supply
        END,
        CASE quote_mint
            WHEN 'SOL' THEN 'So11111111111111111111111111111111111111112'
            WHEN 'USDC' THEN 'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v'
            WHEN 'USDT' THEN 'Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB'
            WHEN 'USD1' THEN 'USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB'
            ELSE quote_mint
        END,
        CASE launchpad WHEN '' THEN pool_type ELSE launchpad END,
        pool_type
    FROM born
    ON CONFLICT (token_id) DO NOTHING;
    RETURN NULL;
END
$trigger$;
CREATE TRIGGER show_births AFTER INSERT ON token REFERENCING NEW TABLE AS born
FOR EACH STATEMENT EXECUTE FUNCTION token_show_births();

-- What is learnt later hides the birth's.
CREATE FUNCTION token_show_profile() RETURNS trigger
LANGUAGE plpgsql AS $trigger$
BEGIN
    UPDATE token_card SET
        updated_at = NEW.observed_at,
        pool_created_at = coalesce(NEW.pool_created_at, pool_created_at),
        initial_buy_sol = coalesce(NEW.initial_buy_sol, initial_buy_sol),
        decimals = coalesce(NEW.decimals, decimals),
        freeze_revoked = coalesce(NEW.freeze_revoked, freeze_revoked),
        mint_renounced = coalesce(NEW.mint_renounced, mint_renounced),
        symbol = coalesce(NEW.symbol, symbol),
        name = coalesce(NEW.name, name),
        metadata_uri = coalesce(NEW.metadata_uri, metadata_uri),
        creator_wallet = coalesce(NEW.creator_wallet, creator_wallet),
        bonding_curve_key = coalesce(NEW.bonding_curve_key, bonding_curve_key),
        total_supply = coalesce(NEW.total_supply, total_supply),
        quote_mint = coalesce(NEW.quote_mint, quote_mint),
        launchpad = coalesce(NEW.launchpad, launchpad),
        pool_type = coalesce(NEW.pool_type, pool_type),
        pool_address = NEW.pool_address,
        image_url = NEW.image_url,
        logo_uri = NEW.logo_uri,
        description = NEW.description,
        twitter = NEW.twitter,
        telegram = NEW.telegram,
        website = NEW.website
    WHERE token_id = NEW.token_id;
    RETURN NULL;
END
$trigger$;
CREATE TRIGGER show_profile AFTER INSERT OR UPDATE ON token_profile
FOR EACH ROW EXECUTE FUNCTION token_show_profile();
