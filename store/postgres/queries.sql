-- Every statement that the service sends to Postgres, but the schema's own (migrations/).
-- A name in braces is filled in once: lists of columns come from store.columns, so that no
-- list can drift from domain.token. $1 is a parameter. Several statements in a block are sent
-- together, in one round trip.

-- name: describe_server
-- First on every connection; it changes nothing, for behind a pooler the session is not ours.
-- (pid, start in microseconds) names a server process for ever.
SELECT
    current_setting('server_version_num')::integer,
    pg_backend_pid(),
    (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint
        FROM pg_stat_activity WHERE pid = pg_backend_pid());

-- name: fix_defaults
-- What values and literals mean, and where tables are made, must not hang on the defaults of a
-- server, database or role. pg_catalog is searched first in any case; named first, it would be
-- where tables are made. is_local: for this transaction alone.
SELECT
    set_config('DateStyle', 'ISO', {is_local}),
    set_config('IntervalStyle', 'postgres', {is_local}),
    set_config('TimeZone', 'UTC', {is_local}),
    set_config('extra_float_digits', '1', {is_local}),
    set_config('standard_conforming_strings', 'on', {is_local}),
    set_config('default_transaction_isolation', 'read committed', {is_local}),
    set_config(
        'search_path',
        regexp_replace(current_setting('search_path'), '^ *"?pg_catalog"? *, *', ''),
        {is_local}
    );

-- name: set_bounds
-- synchronous_commit: sync clears its buffer, and ingest tells clients of a token, on the strength
-- of a commit that must therefore be on disk, whatever the server's default is.
SELECT
    set_config('synchronous_commit', 'on', {is_local}),
    set_config('statement_timeout', '{statement_timeout}', {is_local}),
    set_config('lock_timeout', '{lock_timeout}', {is_local}),
    set_config('idle_in_transaction_session_timeout', '{statement_timeout}', {is_local}),
    -- Batches cost much by the planner's estimate and take milliseconds: compiling never pays.
    set_config('jit', 'off', {is_local}),
    -- All but load_tokens look up few rows by key. Left to itself, the planner would read whole
    -- tables for that, and keep the plan, where it was made while a table was still empty.
    set_config('enable_seqscan', 'off', {is_local}),
    set_config('enable_hashjoin', 'off', {is_local}),
    set_config('enable_mergejoin', 'off', {is_local});

-- name: end_session
-- A lost session may still hold a statement that waits for a lock; it must not come to life
-- after newer writes.
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
WHERE pid = $1::integer AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2::bigint
    AND usename = current_user;

-- name: begin_read
-- Behind a pooler alone: elsewhere a read needs no transaction.
{begin_reading};

-- name: schema
-- Where tables are made, NULL where there is nothing yet (or nothing that the role may use); the
-- search path; and the names for a GRANT.
SELECT quote_ident(current_schema()), current_setting('search_path'), quote_ident(current_database()),
    quote_ident(current_user);

-- name: begin_schema
{begin};
SELECT pg_advisory_xact_lock(771230, hashtext(current_setting('search_path') || '.schema'));

-- name: begin_migration
{begin};
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.migration'));

-- name: migration_table
-- The columns of whatever has the name of our list of migrations, where tables are made.
SELECT relkind = 'r', ARRAY(
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
)
FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
WHERE nspname = current_schema() AND relname = 'schema_migration';

-- name: taken_names
-- Which of the names $1, and of those of partitions where $2 says so, others have taken, and for
-- what. A table, a view or a sequence has a type of the same name, which may be taken, too.
SELECT DISTINCT ON (name) kind, quote_ident(name)
FROM (
    SELECT relname::text AS name, 1 AS place, coalesce(
        (('{{"r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view",
            "S": "sequence", "i": "index", "I": "index"}}')::json ->> relkind::text), 'relation'
    ) AS kind
    FROM pg_class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
    WHERE nspname = current_schema()
    UNION ALL
    SELECT typname::text, 2, 'type'
    FROM pg_type JOIN pg_namespace AS namespace ON namespace.oid = typnamespace
    WHERE nspname = current_schema()
) AS taken
WHERE name = ANY ($1::text[]) OR ($2 AND name ~ '^token_(cold_)?[0-9]+$')
ORDER BY name, place;

-- name: make_migration_table
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT name, checksum FROM schema_migration ORDER BY name;

-- name: record_migration
INSERT INTO schema_migration (name, checksum) VALUES ($1, $2);

-- name: reader_settings
SELECT status_words, hot_score_form, half_life_seconds FROM token_reader_settings;

-- name: set_reader_settings
UPDATE token_reader_settings SET status_words = $1, hot_score_form = $2, half_life_seconds = $3;

-- name: begin_insert
-- One inserter at a time: what it finds missing stays missing until it has written it, and
-- partitions are never made by two at once. The lock falls with the transaction.
{begin};
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.insert'));
SELECT {wal_position};

-- name: begin_write
-- One flush at a time: two that meet on the same rows would deadlock, and what a flush finds
-- unchanged stays so until its commit.
{begin};
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.write'));
SELECT {wal_position}, {stats_state};

-- name: begin_upkeep
-- Alone with identities and values. It takes locks that readers wait for, so it gives up soon
-- where it would have to wait itself.
{begin};
SET LOCAL lock_timeout = '250ms';
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.insert'));
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.write'));
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SELECT {wal_position}, {stats_state};

-- name: lock_stats
-- Within a transaction of another kind: what `begin_write` does.
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.write'));
SELECT 0, {stats_state};

-- name: stats_state
-- The epoch of the rows for readers, NULL while they are not whole; the side that is written to.
(SELECT epoch FROM token_stats_mark), (SELECT side FROM token_journal_state)

-- name: begin_export
-- One export at a time. Tokens are joined with themselves, a page of them.
{begin};
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.export'));
SET LOCAL enable_hashjoin = on;
SELECT {wal_position};

-- name: commit
COMMIT;
SELECT {wal_position};

-- name: wal_position
(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint

-- name: no_wal_position
0::bigint

-- name: periods_without_partition
SELECT period FROM unnest($1::integer[]) AS period
WHERE to_regclass(format('%I.token_%s', current_schema(), period)) IS NULL
ORDER BY period;

-- name: make_partition
-- Made apart and then attached: CREATE ... PARTITION OF would lock out every reader of token.
-- Nothing is ever deleted there, so there is nothing to vacuum. The constraint is unique by a
-- hash index.
CREATE TABLE {partition} (
    LIKE token INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    EXCLUDE USING hash (mint WITH =)
) WITH (autovacuum_enabled = off);
ALTER TABLE token ATTACH PARTITION {partition} FOR VALUES FROM ({period}) TO ({period} + 1);

-- name: known_mints
SELECT mint FROM token WHERE mint = ANY ($1::text[]);

-- name: find_tokens
-- Oldest first, so that of two rows of one mint the newest counts.
SELECT {reading_list} FROM token_now WHERE mint = ANY ($1::text[]) ORDER BY first_seen_at, id;

-- name: insert_tokens
-- Nothing is offered that is there already. A conflict clause would insert every row tentatively
-- first, and log that it did: 56 bytes a token.
INSERT INTO token (period, {token_fields})
SELECT period, {token_values}
FROM json_to_recordset($1::json) AS offered (period integer, {token_definitions})
RETURNING mint, id;

-- name: write_token_stats
-- The journal and the rows for readers in one statement. Of each change only what differs from
-- the row is kept: NULL is "unchanged". A token has its row since its birth. One that has none
-- under this id is gone, or was born in a commit that the server has lost, and the id may be
-- another's by now: nothing of it is written, and its mint comes back beside the number of rows.
-- Packs are cut where their tokens' bytes, by running sum, exceed {pack_bytes}; {token_bytes} are
-- what a token takes beside its values.
WITH change AS MATERIALIZED (
    SELECT sent.token_id, sent.version, {observed_at} AS observed_at, {differences},
        sent.mint, known.token_id IS NULL AS is_misplaced
    FROM ROWS FROM (
        json_to_recordset($1::json) AS ({definitions}),
        unnest($2::integer[]), unnest($3::bigint[]), unnest($4::double precision[]),
        json_array_elements_text($5::json)
    ) AS sent ({fields}, token_id, version, observed_at, mint)
    LEFT JOIN token_stats AS known ON known.token_id = sent.token_id AND known.mint = sent.mint
    WHERE known.version IS NULL OR known.version < sent.version
), news AS (
    SELECT *, version >> 31 AS era, sum({token_bytes} + {packed_bytes})
        OVER (PARTITION BY version >> 31 ORDER BY token_id) / {pack_bytes} AS pack
    FROM change WHERE num_nonnulls({fields}) > 0 AND NOT is_misplaced
), journal AS (
    INSERT INTO token_journal_{side} (era, token_ids, versions, observed_at, {fields})
    SELECT era, array_agg(token_id), array_agg((version - (era << 31))::integer),
        array_agg(observed_at), {packed}
    FROM news GROUP BY era, pack
), written AS (
    UPDATE token_stats AS stored SET
        version = news.version,
        observed_at = greatest(news.observed_at, stored.observed_at),
        {assignments}
    FROM news WHERE stored.token_id = news.token_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM written), ARRAY(SELECT mint FROM change WHERE is_misplaced);

-- name: write_token_profile
-- NULL means unchanged. Rows that are newer already, or equal, are left alone. New rows are told
-- from known ones here, under the lock, and not by a conflict clause: that would insert each of
-- them tentatively first, and log that it did. Whose profile it is, the rows for readers tell; the
-- answer is as that of write_token_stats.
WITH change AS MATERIALIZED (
    SELECT sent.token_id, sent.version, floor(sent.observed_at) AS observed_at, {sent_fields},
        known.token_id IS NOT NULL AS is_known, sent.mint, stats.token_id IS NULL AS is_misplaced
    FROM ROWS FROM (
        json_to_recordset($1::json) AS ({definitions}),
        unnest($2::integer[]), unnest($3::bigint[]), unnest($4::double precision[]),
        json_array_elements_text($5::json)
    ) AS sent ({fields}, token_id, version, observed_at, mint)
    LEFT JOIN token_stats AS stats ON stats.token_id = sent.token_id AND stats.mint = sent.mint
    LEFT JOIN token_profile AS known ON known.token_id = stats.token_id
    WHERE known.token_id IS NULL
        OR (known.version < sent.version AND ({known_fields}) IS DISTINCT FROM ({known_merged}))
), updated AS (
    UPDATE token_profile AS stored SET
        version = change.version,
        observed_at = greatest(change.observed_at, stored.observed_at),
        {assignments}
    FROM change
    WHERE stored.token_id = change.token_id AND change.is_known
    RETURNING 1
), inserted AS (
    INSERT INTO token_profile (token_id, version, observed_at, {fields})
    SELECT token_id, version, observed_at, {fields} FROM change
    WHERE NOT (is_known OR is_misplaced) ORDER BY token_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM updated) + (SELECT count(*) FROM inserted),
    ARRAY(SELECT mint FROM change WHERE is_misplaced);

-- name: rebuild_stats
-- Exact: whatever is in the rows for readers is in the journal or, before it began, in the base.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL work_mem = '64MB';
-- A token that is born meanwhile, under the other lock, brings its row and its card itself.
DELETE FROM token_stats;
INSERT INTO token_stats (token_id, mint, first_seen_at, version, observed_at, {stats_fields})
SELECT id, mint, to_timestamp(first_seen_at) AT TIME ZONE INTERVAL '0', version, observed_at,
    {stats_fields_of_stats}
FROM token LEFT JOIN token_stats_logged AS stats ON stats.token_id = token.id ORDER BY id
ON CONFLICT (token_id) DO NOTHING;
INSERT INTO token_stats_mark (whole) VALUES (true);
DELETE FROM token_card;
INSERT INTO token_card (token_id, updated_at, last_trade_at, {card_fields})
SELECT id, last_updated_at, last_trade_at, {card_fields} FROM token_now ORDER BY id
ON CONFLICT (token_id) DO NOTHING;
SELECT epoch FROM token_stats_mark;

-- name: stats_epoch
SELECT epoch FROM token_stats_mark;

-- name: overdue_partitions
-- Partitions whose every token is off the feed, or has been cold for long enough, oldest first.
SELECT partition, period
FROM (
    SELECT inhrelid::regclass::text AS partition,
        substring(pg_get_expr(relpartbound, pg_class.oid) FROM 'FROM \(''?(-?\d+)')::integer AS period
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = to_regclass('token')
) AS each
WHERE period BETWEEN 0 AND $1::integer OR period BETWEEN $2::integer AND -1
ORDER BY period < 0, abs(period)
LIMIT $3::integer;

-- name: partition_of
SELECT inhrelid FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = to_regclass('token') AND relname = 'token_cold_' || -($1::integer);

-- name: forget_values
-- What goes with the partitions; bonded tokens of the feed's partitions stay, in the cold.
DELETE FROM token_stats USING token
WHERE token.id = token_id AND token.period = ANY ($1::integer[])
    AND (token.period < 0 OR status IS DISTINCT FROM 2);

-- name: keep_bonded
INSERT INTO token (id, period, {token_fields})
SELECT token.id, $2::integer, {token_fields_of_token}
FROM token JOIN token_stats AS stats ON stats.token_id = token.id
WHERE token.period = ANY ($1::integer[]) AND token.period >= 0 AND stats.status = 2;

-- name: forget_cards
DELETE FROM token_card USING token
WHERE token.id = token_id AND token.period = ANY ($1::integer[])
    AND NOT EXISTS (SELECT FROM token_stats AS stats WHERE stats.token_id = token.id AND status = 2);

-- name: forget_profiles
DELETE FROM token_profile USING token
WHERE token.id = token_id AND token.period = ANY ($1::integer[])
    AND NOT EXISTS (SELECT FROM token_stats AS stats WHERE stats.token_id = token.id AND status = 2);

-- name: forget_overlay
-- What others have written of tokens that go; a row that somebody holds is left as an orphan.
DELETE FROM token_overlay WHERE mint IN (
    SELECT overlay.mint FROM token_overlay AS overlay
    WHERE NOT EXISTS (SELECT FROM token WHERE token.mint = overlay.mint)
    FOR UPDATE SKIP LOCKED
);

-- name: begin_overlay
-- For a row that others hold nobody waits long: it is left to the next time.
{begin};
SET LOCAL lock_timeout = '250ms';
SELECT {wal_position};

-- name: read_overlay
-- Rows changed by transactions from ($1, $2) on, in their order, and the first transaction that may
-- still be under way: whoever begins there the next time misses none, and meets some again.
SELECT change_id::text::bigint, mint, watchers, texts::text, written_at::text, writes,
    pg_column_size(overlay.*), pg_snapshot_xmin(pg_current_snapshot())::text::bigint
FROM token_overlay AS overlay
WHERE (change_id, mint) > ($1::text::xid8, $2::text)
ORDER BY change_id, mint
LIMIT $3::integer;

-- name: settle_overlay
-- What our rows have by now, as far as nobody has changed it since.
WITH settled AS MATERIALIZED (
    SELECT overlay.mint, overlay.watchers
    FROM token_overlay AS overlay
    JOIN unnest($1::text[], $2::bigint[]) AS taken (mint, change_id) ON taken.mint = overlay.mint
    WHERE overlay.change_id::text::bigint = taken.change_id
    FOR UPDATE OF overlay SKIP LOCKED
), emptied AS (
    UPDATE token_overlay AS overlay SET texts = '{{}}', written_at = '{{}}'
    FROM settled WHERE overlay.mint = settled.mint AND settled.watchers > 0
    RETURNING overlay.mint, false
), deleted AS (
    DELETE FROM token_overlay AS overlay
    USING settled WHERE overlay.mint = settled.mint AND settled.watchers = 0
    RETURNING overlay.mint, true
)
TABLE emptied UNION ALL TABLE deleted;

-- name: set_watchers
-- Others' watchers as they were counted; a row that somebody holds is left to the next count.
WITH counted AS MATERIALIZED (
    SELECT mint, watchers FROM unnest($1::text[], $2::integer[]) AS counted (mint, watchers)
), held AS MATERIALIZED (
    SELECT overlay.mint FROM token_overlay AS overlay JOIN counted ON counted.mint = overlay.mint
    WHERE overlay.watchers <> counted.watchers
    FOR UPDATE OF overlay SKIP LOCKED
), updated AS (
    UPDATE token_overlay AS overlay SET watchers = counted.watchers,
        change_id = DEFAULT, updated_at = DEFAULT
    FROM counted JOIN held ON held.mint = counted.mint WHERE overlay.mint = held.mint
    RETURNING 1
), inserted AS (
    INSERT INTO token_overlay (mint, watchers, writes, texts, written_at)
    SELECT mint, watchers, 0, '{{}}', '{{}}' FROM counted
    WHERE watchers > 0 AND NOT EXISTS (SELECT FROM token_overlay AS overlay WHERE overlay.mint = counted.mint)
    ON CONFLICT (mint) DO NOTHING
    RETURNING 1
)
SELECT FROM updated UNION ALL SELECT FROM inserted;

-- name: begin_count
-- Of a table of others: it may be large, locked or missing.
{begin_reading};
SET LOCAL lock_timeout = '250ms';
SET LOCAL statement_timeout = '5s';
SET LOCAL enable_seqscan = on;
SELECT {wal_position};

-- name: count_watches
SELECT mint::text, least(count(*), 2147483647)::integer FROM {table}
WHERE mint IS NOT NULL GROUP BY mint ORDER BY count(*) DESC, mint LIMIT $1::integer;

-- name: journal_state
SELECT side, other_side, has_base, snapshot_bytes,
    pg_relation_size(('token_journal_' || side)::regclass),
    pg_relation_size(('token_journal_' || other_side)::regclass)
FROM token_journal_state, translate(side, 'ab', 'ba') AS other_side;

-- name: forget_orphans
-- Values of tokens that are gone: neither snapshot nor base carries them on.
DELETE FROM token_stats WHERE NOT EXISTS (SELECT FROM token WHERE id = token_id);

-- name: forget_orphan_cards
DELETE FROM token_card WHERE NOT EXISTS (SELECT FROM token WHERE id = token_id);

-- name: forget_orphan_profiles
DELETE FROM token_profile WHERE NOT EXISTS (SELECT FROM token WHERE id = token_id);

-- name: write_snapshot
INSERT INTO token_journal_{side} (era, token_ids, versions, observed_at, {fields})
SELECT era, array_agg(token_id), array_agg((version - (era << 31))::integer),
    array_agg(observed_at), {packed}
FROM (
    SELECT *, version >> 31 AS era, sum({token_bytes} + {packed_bytes})
        OVER (PARTITION BY version >> 31 ORDER BY token_id) / {pack_bytes} AS pack
    FROM token_stats WHERE version IS NOT NULL
) AS news
GROUP BY era, pack;

-- name: forget_base
DELETE FROM token_stats_base AS base
WHERE NOT EXISTS (SELECT FROM token_stats WHERE token_id = base.token_id);

-- name: update_base
-- Apart from the insertion: a conflict clause would log a lock for each row that it updates.
UPDATE token_stats_base AS base SET (version, observed_at, {stats_fields})
    = (stats.version, stats.observed_at, {stats_fields_of_stats})
FROM token_stats AS stats
WHERE base.token_id = stats.token_id AND base.version < stats.version;

-- name: extend_base
INSERT INTO token_stats_base (token_id, version, observed_at, {stats_fields})
SELECT token_id, version, observed_at, {stats_fields} FROM token_stats AS stats
WHERE version IS NOT NULL
    AND NOT EXISTS (SELECT FROM token_stats_base WHERE token_id = stats.token_id)
ORDER BY token_id;

-- name: begin_base
UPDATE token_journal_state SET has_base = true;
CREATE OR REPLACE VIEW token_shown AS SELECT * FROM token_now_logged;
CREATE OR REPLACE VIEW token_discovery_own AS SELECT * FROM token_discovery_logged;

-- name: end_base
TRUNCATE token_stats_base;
UPDATE token_journal_state SET has_base = false;
CREATE OR REPLACE VIEW token_shown AS SELECT * FROM token_now;
CREATE OR REPLACE VIEW token_discovery_own AS SELECT * FROM token_discovery_now;

-- name: switch_journal
UPDATE token_journal_state
SET side = '{side}', snapshot_bytes = pg_relation_size('token_journal_{side}');

-- name: empty_journal
TRUNCATE token_journal_{side};

-- name: begin_load
-- The one query that reads everything, for which the planner gets its usual means back.
{begin_reading};
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SELECT {wal_position};

-- name: stored_versions
-- Of the tokens with ids $1 and mints $2, by table; nothing of an id that is another's. After a
-- crash the journal has the versions of the rows that are not rebuilt.
WITH asked AS MATERIALIZED (
    SELECT id, mint FROM unnest($1::integer[], $2::text[]) AS asked (id, mint)
), here AS MATERIALIZED (
    SELECT id, stats.version
    FROM asked JOIN token_stats AS stats ON stats.token_id = id AND stats.mint = asked.mint
)
SELECT 'token_stats', id, version FROM here WHERE version IS NOT NULL
UNION ALL
SELECT 'token_stats', token.id, logged.version
FROM asked JOIN token USING (id, mint) JOIN token_stats_logged AS logged ON logged.token_id = token.id
WHERE NOT EXISTS (SELECT FROM token_stats_mark)
UNION ALL
SELECT 'token_profile', id, profile.version
FROM here JOIN token_profile AS profile ON profile.token_id = id;

-- name: load_tokens
SELECT {reading_list} FROM token_now WHERE {is_retained};

-- name: outline_tokens
SELECT {outline} FROM token_now WHERE {is_retained};

-- name: is_retained
-- `lifecycle.is_retained` in SQL, newest first. $1 is now, $2 and $3 the seconds that a new and a
-- bonded token stay, $4 the limit.
(status <> 2 AND $1::double precision - first_seen_at < $2::double precision)
    OR (status = 2
        AND $1 - coalesce(status_changed_at, first_seen_at) < $3::double precision)
ORDER BY first_seen_at DESC, id DESC
LIMIT $4::integer

-- name: server_settings
-- In the settings' own units; enumvals tells which compression the server was built with.
SELECT name, setting, coalesce(unit, ''), coalesce(enumvals, '{{}}')
FROM pg_settings WHERE name = ANY ($1::text[]);

-- name: schema_rights
-- Where there is no schema yet, the service makes it.
SELECT coalesce(
    has_schema_privilege(current_schema(), 'CREATE'),
    has_database_privilege(current_database(), 'CREATE')
);

-- name: checkpoints_in_bgwriter
SELECT
    checkpoints_timed,
    checkpoints_req,
    buffers_checkpoint,
    (checkpoint_write_time + checkpoint_sync_time) / 1000
FROM pg_stat_bgwriter;

-- name: checkpoints_in_checkpointer
SELECT num_timed, num_requested, buffers_written, (write_time + sync_time) / 1000 FROM pg_stat_checkpointer;

-- name: checkpoint_settings
SELECT
    extract(epoch FROM current_setting('checkpoint_timeout')::interval),
    pg_size_bytes(current_setting('max_wal_size')),
    current_setting('checkpoint_completion_target')::double precision;

-- name: wal_counters
SELECT wal_bytes, wal_fpi FROM pg_stat_wal;

-- name: wal_position_and_redo
SELECT
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
    pg_wal_lsn_diff(redo_lsn, '0/0')::bigint
FROM pg_control_checkpoint();

-- name: is_neon
-- Neon's extension sets it on every compute; elsewhere there is no such setting.
SELECT coalesce(current_setting('neon.timeline_id', true), '') <> '';

-- name: statistics_age
SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))
FROM pg_stat_wal;

-- name: hot_table_statistics
SELECT n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd, pg_total_relation_size(relid)
FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = 'token_stats';

-- name: own_backends_wal
-- The newest connection of each component: an older one is about to end.
SELECT DISTINCT ON (application_name) application_name, pid, wal_bytes, wal_fpi
FROM pg_stat_activity, LATERAL pg_stat_get_backend_wal(pid)
WHERE application_name IN ('token-discovery:ingest', 'token-discovery:sync')
    AND datname = current_database() AND usename = current_user
ORDER BY application_name, backend_start DESC;
