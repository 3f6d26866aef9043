-- Other programs may write a few columns through "TokenDiscovery". What they write stands in a table
-- of its own, laid over what is ours, until ours has it: see docs/decisions/0016-writes-of-others.md.

-- A row for each token that others have written of. Logged: it is the only place where that stands
-- before the service has heard of it. The service's own writes never touch it, so that no
-- transaction of others holds them back.
CREATE TABLE token_overlay (
    change_id xid8 NOT NULL DEFAULT pg_current_xact_id(),  -- of whoever changed it last
    writes bigint NOT NULL DEFAULT 1,         -- by others, since the row is there
    updated_at double precision NOT NULL DEFAULT extract(epoch FROM clock_timestamp()),  -- since 1970
    watchers integer NOT NULL CHECK (watchers >= 0),  -- beside the service's own
    mint text COLLATE "C" PRIMARY KEY,
    texts jsonb NOT NULL,                     -- by field of the domain
    written_at jsonb NOT NULL                 -- seconds since 1970, by field of `texts`
) WITH (fillfactor = 70);

-- What the service itself says of each token; over a base (see `begin_base`) the logged one.
DO $migration$
DECLARE
    texts constant text := $texts${"imageUrl": "image_url", "logoURI": "logo_uri", "description": "description",
        "twitter": "twitter", "telegram": "telegram", "website": "website"}$texts$;
    shown text;
BEGIN
    EXECUTE (
        SELECT format('CREATE VIEW token_discovery_own AS SELECT * FROM %I',
            CASE WHEN has_base THEN 'token_discovery_logged' ELSE 'token_discovery_now' END)
        FROM token_journal_state
    );
    -- By key, and so after ORDER BY and LIMIT, for the rows that are left: see 0005.
    SELECT string_agg(
        CASE
            WHEN texts::jsonb ? attname THEN format(
                'coalesce((SELECT overlay.texts ->> %L FROM token_overlay AS overlay WHERE overlay.mint = own.mint), own.%I) AS %2$I',
                texts::jsonb ->> attname, attname)
            WHEN attname = 'watcherCount' THEN
                'least(own."watcherCount" + coalesce((SELECT overlay.watchers FROM token_overlay AS overlay '
                'WHERE overlay.mint = own.mint), 0)::bigint, 2147483647)::integer AS "watcherCount"'
            WHEN attname = 'lastUpdatedAt' THEN
                'greatest(own."lastUpdatedAt", (SELECT (to_timestamp(overlay.updated_at) '
                'AT TIME ZONE INTERVAL ''0'')::timestamp(3) FROM token_overlay AS overlay '
                'WHERE overlay.mint = own.mint)) AS "lastUpdatedAt"'
            ELSE format('own.%I', attname)
        END, ', ' ORDER BY attnum)
    INTO shown
    FROM pg_attribute
    WHERE attrelid = '"TokenDiscovery"'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('CREATE OR REPLACE VIEW "TokenDiscovery" AS SELECT %s FROM token_discovery_own AS own', shown);
END
$migration$;

-- An UPDATE of one row of the view. It has its owner's rights, so that whoever may UPDATE the view
-- needs none on any table.
CREATE FUNCTION token_take_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $function$
DECLARE
    -- The columns of text that may be written: field of the domain, and most bytes.
    writable constant jsonb := '{
        "imageUrl": ["image_url", 2048], "logoURI": ["logo_uri", 2048],
        "description": ["description", 4096], "twitter": ["twitter", 2048],
        "telegram": ["telegram", 2048], "website": ["website", 2048]
    }';
    most_tokens constant integer := 20000;
    least_row_bytes constant integer := 96;   -- so that a small table need not be counted
    was constant jsonb := to_jsonb(OLD);
    wanted constant jsonb := to_jsonb(NEW);
    written_at constant jsonb := to_jsonb(extract(epoch FROM clock_timestamp())::double precision);
    written text;
    value jsonb;
    more_watchers integer := 0;
    is_known boolean;
    texts jsonb := '{}';
    times jsonb := '{}';
BEGIN
    -- "lastUpdatedAt" follows from the values: Prisma sends one with every update, for @updatedAt.
    FOR written, value IN
        SELECT told.key, told.value FROM jsonb_each(wanted - 'lastUpdatedAt') AS told
        WHERE told.value IS DISTINCT FROM was -> told.key ORDER BY told.key
    LOOP
        IF written <> 'watcherCount' AND NOT writable ? written THEN
            RAISE EXCEPTION 'column "%" of "TokenDiscovery" is written by token-discovery alone', written
                USING ERRCODE = 'object_not_in_prerequisite_state', COLUMN = written,
                DETAIL = format('It comes from %s.', CASE
                    WHEN written IN ('id', 'mint', 'firstSeenAt', 'symbol', 'name', 'creatorWallet', 'decimals',
                        'totalSupply', 'metadataUri', 'launchpad', 'quoteMint', 'initialBuySol', 'bondingCurveKey')
                        THEN 'the token''s birth (actor ingest)'
                    WHEN written IN ('state', 'previousState', 'status', 'stateChangedAt', 'poolAddress',
                        'poolType', 'poolCreatedAt') THEN 'the token''s life on the chain (actor ingest)'
                    WHEN written = 'hotScore' THEN 'the trades of the last hours (job hot-score)'
                    WHEN written = 'holderCount' OR written ~ '^(top|dev|organic)'
                        THEN 'the provider of holders (job holder-count)'
                    WHEN written IN ('freezeRevoked', 'mintRenounced', 'mintAuthorityRevoked')
                        THEN 'the mint''s account (jobs metadata and holder-count)'
                    WHEN written ~ '(Usd|24h|24hSol|lastTradeTs|bondingCurveProgress|marketCapSol|^sol)'
                        THEN 'trades and market data (actor trading, job market-data)'
                    ELSE 'the view itself, which knows no value of it'
                END),
                HINT = 'Leave it out of the UPDATE. These may be written: "watcherCount", "imageUrl", '
                    '"logoURI", "description", "twitter", "telegram", "website".';
        ELSIF value = 'null' THEN
            RAISE EXCEPTION 'column "%" of "TokenDiscovery" cannot be set to NULL', written
                USING ERRCODE = 'not_null_violation', COLUMN = written,
                HINT = CASE WHEN written = 'watcherCount' THEN 'Write a number.'
                    ELSE 'NULL is what nobody knows yet. To show nothing, write an empty text.' END;
        ELSIF written = 'watcherCount' THEN
            -- What was asked for, as a difference: those of two transactions at once add up.
            more_watchers := greatest(value::text::integer, 0) - (was ->> written)::integer;
        ELSIF octet_length(wanted ->> written) > (writable -> written -> 1)::integer THEN
            RAISE EXCEPTION 'the text for column "%" of "TokenDiscovery" has % bytes', written,
                octet_length(wanted ->> written)
                USING ERRCODE = 'string_data_right_truncation', COLUMN = written,
                HINT = format('At most %s bytes are kept.', writable -> written -> 1);
        ELSE
            texts := texts || jsonb_build_object(writable -> written ->> 0, value);
            times := times || jsonb_build_object(writable -> written ->> 0, written_at);
        END IF;
    END LOOP;

    is_known := EXISTS (SELECT FROM token_overlay AS kept WHERE kept.mint = OLD.mint);
    IF NOT is_known AND pg_relation_size('token_overlay') > most_tokens * least_row_bytes
        AND (SELECT count(*) FROM token_overlay) >= most_tokens
    THEN
        RAISE EXCEPTION 'others have written of % tokens, and token-discovery has not taken it yet', most_tokens
            USING ERRCODE = 'configuration_limit_exceeded',
            HINT = 'Does the service run, and does anybody look? While somebody does, it takes what is '
                'written every few seconds. A token that is watched counts until nobody watches it.';
    END IF;
    IF texts <> '{}' OR more_watchers > 0 OR (more_watchers < 0 AND is_known) THEN
        INSERT INTO token_overlay AS kept (mint, watchers, texts, written_at)
        VALUES (OLD.mint, greatest(more_watchers, 0), texts, times)
        ON CONFLICT (mint) DO UPDATE SET
            watchers = greatest(kept.watchers + more_watchers, 0),
            texts = kept.texts || excluded.texts,
            written_at = kept.written_at || excluded.written_at,
            writes = kept.writes + 1,
            change_id = pg_current_xact_id(),
            updated_at = excluded.updated_at;
    END IF;
    -- The row as it now is, for RETURNING.
    SELECT * INTO NEW FROM "TokenDiscovery" AS shown WHERE shown.mint = OLD.mint LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;  -- retention came between
    END IF;
    RETURN NEW;
END
$function$;

CREATE FUNCTION token_refuse_write() RETURNS trigger
LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION '"TokenDiscovery" takes no %', TG_OP
        USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = CASE TG_OP
            WHEN 'INSERT' THEN 'Tokens come from the launch-pads: token-discovery inserts them.'
            ELSE 'Tokens leave with their retention: token-discovery deletes them.'
        END;
END
$function$;

-- A function with its owner's rights finds nobody else's tables, and is put on nobody else's.
DO $migration$
BEGIN
    EXECUTE format('ALTER FUNCTION token_take_write() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$migration$;
REVOKE EXECUTE ON FUNCTION token_take_write() FROM PUBLIC;

CREATE TRIGGER take_write INSTEAD OF UPDATE ON "TokenDiscovery"
FOR EACH ROW EXECUTE FUNCTION token_take_write();
CREATE TRIGGER refuse_write INSTEAD OF INSERT OR DELETE ON "TokenDiscovery"
FOR EACH ROW EXECUTE FUNCTION token_refuse_write();
