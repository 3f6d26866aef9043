-- Every statement that the service sends to Postgres, but the schema's own (migrations/).
-- A name in braces is filled in once: lists of columns come from store.columns, so that no
-- list can drift from domain.token. $1 is a parameter. Several statements in a block are sent
-- together, in one round trip.

-- name: prepare_session
-- What the server is, and the bounds of this session. synchronous_commit: sync clears its
-- buffer, and ingest tells clients of a token, on the strength of a commit that must therefore
-- be on disk, whatever the server's default is.
SELECT
    current_setting('server_version_num')::integer,
    pg_backend_pid(),
    (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
    has_function_privilege('pg_current_wal_insert_lsn()', 'execute') AND NOT pg_is_in_recovery(),
    set_config('synchronous_commit', 'on', false),
    set_config('statement_timeout', $1, false),
    set_config('lock_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', $1, false),
    -- Batches cost much by the planner's estimate and take milliseconds: compiling never pays.
    set_config('jit', 'off', false),
    -- All but load_tokens look up few rows by key. Left to itself, the planner would read whole
    -- tables for that, and keep the plan, where it was made while a table was still empty.
    set_config('enable_seqscan', 'off', false),
    set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false);

-- name: end_session
-- A lost session may still hold a statement that waits for a lock; it must not come to life
-- after newer writes. (pid, backend_start) names a session for ever.
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
WHERE pid = $1 AND backend_start = $2 AND usename = current_user;

-- name: begin_migration
BEGIN;
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.migration'));
CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT name, checksum FROM schema_migration ORDER BY name;

-- name: record_migration
INSERT INTO schema_migration (name, checksum) VALUES ($1, $2);

-- name: begin_insert
-- One inserter at a time: what it finds missing stays missing until it has written it, and
-- partitions are never made by two at once. The lock falls with the transaction.
BEGIN;
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.insert'));
SELECT {wal_position};

-- name: begin_write
-- One flush at a time: two that meet on the same rows would deadlock, and what a flush finds
-- unchanged stays so until its commit.
BEGIN;
SELECT pg_advisory_xact_lock(771230, hashtext(current_schema() || '.write'));
SELECT {wal_position};

-- name: commit
COMMIT;
SELECT {wal_position};

-- name: wal_position
(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint

-- name: no_wal_position
0::bigint

-- name: days_without_partition
SELECT day FROM unnest($1::date[]) AS day
WHERE to_regclass(format('%I.token_%s', current_schema(), to_char(day, 'YYYYMMDD'))) IS NULL
ORDER BY day;

-- name: make_partition
-- Made apart and then attached: CREATE ... PARTITION OF would lock out every reader of token.
CREATE TABLE token_{day:%Y%m%d} (LIKE token INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE token ATTACH PARTITION token_{day:%Y%m%d}
FOR VALUES FROM ('{day}') TO ('{next_day}');

-- name: find_tokens
-- Oldest first, so that of two rows of one mint the newest counts.
SELECT {reading_list}
FROM token
LEFT JOIN token_stats AS stats ON stats.token_id = token.id
LEFT JOIN token_profile AS profile ON profile.token_id = token.id
WHERE token.mint = ANY ($1::text[]) AND token.day >= $2::date
ORDER BY token.day;

-- name: insert_tokens
-- Returns what was inserted; a row that was there already is NOT returned.
INSERT INTO token (day, {token_fields})
SELECT day, {token_fields}
FROM json_to_recordset($1::json) AS offered (day date, {token_definitions})
ON CONFLICT (mint, day) DO NOTHING
RETURNING mint, id;

-- name: write_changes
-- NULL means unchanged. Rows that are newer already, or equal, are left out before they are
-- touched: the conflict clause alone would lock, and so write, every one of them. It is there
-- for rows that somebody else changed meanwhile.
INSERT INTO {table} AS stored (token_id, version, observed_at, {fields})
SELECT change.token_id, change.version, change.observed_at, {change_fields}
FROM json_to_recordset($1::json) AS change
    (token_id integer, version bigint, observed_at double precision, {definitions})
LEFT JOIN {table} AS known ON known.token_id = change.token_id
WHERE known.token_id IS NULL
    OR (known.version < change.version AND ({known_fields}) IS DISTINCT FROM ({known_merged}))
ORDER BY change.token_id
ON CONFLICT (token_id) DO UPDATE SET
    version = excluded.version,
    observed_at = greatest(excluded.observed_at, stored.observed_at),
    {assignments}
WHERE stored.version < excluded.version;

-- name: begin_load
-- The one query that reads whole days, for which the planner gets its usual means back.
BEGIN READ ONLY;
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SELECT {wal_position};

-- name: load_tokens
-- `lifecycle.is_retained` in SQL, in two parts, so that whole days need no reading: of the days
-- before $5 only bonded tokens can still be retained, and those are few. $1 is now, $2 and $3
-- the seconds that a new and a bonded token stay, $4 the limit.
SELECT {reading_list}
FROM (
    SELECT token.* FROM token
    LEFT JOIN token_stats AS known ON known.token_id = token.id
    WHERE token.day >= $5::date AND (
        (known.status IS DISTINCT FROM 2
            AND $1::double precision - token.first_seen_at < $2::double precision)
        OR (known.status = 2
            AND $1 - coalesce(known.status_changed_at, token.first_seen_at)
                < $3::double precision)
    )
    UNION ALL
    SELECT token.* FROM token
    JOIN token_stats AS known ON known.token_id = token.id
    WHERE token.day < $5 AND known.status = 2 AND $1 - known.status_changed_at < $3
) AS token
LEFT JOIN token_stats AS stats ON stats.token_id = token.id
LEFT JOIN token_profile AS profile ON profile.token_id = token.id
ORDER BY token.first_seen_at DESC, token.id DESC
LIMIT $4::integer;

-- name: server_settings
-- In the settings' own units; enumvals tells which compression the server was built with.
SELECT name, setting, coalesce(unit, ''), coalesce(enumvals, '{{}}')
FROM pg_settings WHERE name = ANY ($1::text[]);

-- name: schema_rights
SELECT has_schema_privilege(current_schema(), 'CREATE');
