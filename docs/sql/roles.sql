-- Two roles with no right too many: the service's, and that of the backend which reads and writes
-- "TokenDiscovery". Run it as a superuser, or as a role that may create roles and owns the database:
--
--     psql "$ADMIN_URL" -v service=token_discovery -v schema=token_discovery -v backend=app -f roles.sql
--
-- before the service's first start, and once more after it: only then there is a view to grant. It may
-- run any number of times. Passwords are set apart, so that none stands in a history:
--
--     \password token_discovery
--
-- Variables: service, backend (the roles; made if missing), schema (of the service; made if missing).
-- watch_schema and watch_table, both or neither: others' table of watches (activity.watch_table).
-- lock_public=1: also take CREATE on schema public from everybody, as PostgreSQL has it from 15 on.

\set ON_ERROR_STOP on
\if :{?service} \else \set service token_discovery \endif
\if :{?backend} \else \set backend token_discovery_backend \endif
\if :{?schema} \else \set schema token_discovery \endif

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY[:'service', :'backend']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

SELECT format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), :'service', :'backend') \gexec

-- The service makes its tables here, owns them, and may create nothing elsewhere.
SELECT format('CREATE SCHEMA %I', :'schema')
WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'schema') \gexec
GRANT USAGE, CREATE ON SCHEMA :"schema" TO :"service";
SELECT format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', :'service', current_database(), :'schema') \gexec
\if :{?lock_public}
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
\endif

-- Optional, and everybody's unless somebody has taken it away: how far the next checkpoint is, and how
-- much WAL a commit wrote. Without these two the ledger and the governor know less. Nothing else is
-- wanted of the server: no pg_monitor, no replication, no role of its own.
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', told, :'service')
FROM unnest(ARRAY['pg_current_wal_insert_lsn()', 'pg_control_checkpoint()']) AS told
WHERE NOT has_function_privilege(:'service', told, 'execute')
    AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \gexec

-- The backend sees the view and may write through it; the view refuses what is not its to write.
GRANT USAGE ON SCHEMA :"schema" TO :"backend";
SELECT format('GRANT SELECT, UPDATE ON %I."TokenDiscovery" TO %I', :'schema', :'backend')
FROM pg_class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
WHERE nspname = :'schema' AND relname = 'TokenDiscovery' AND relkind = 'v' \gexec

-- Reading much of the view at once looks like much work to the planner, and a server with JIT would
-- compile that for longer than it takes.
SELECT format('ALTER ROLE %I IN DATABASE %I SET jit = off', :'backend', current_database()) \gexec

\if :{?watch_table}
GRANT USAGE ON SCHEMA :"watch_schema" TO :"service";
GRANT SELECT ON :"watch_schema".:"watch_table" TO :"service";
\endif

COMMIT;

SELECT CASE WHEN count(*) = 0
    THEN 'There is no view yet: start the service as this role, and then run this once more.'
    ELSE 'All is granted.' END AS "Roles"
FROM pg_class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
WHERE nspname = :'schema' AND relname = 'TokenDiscovery' AND relkind = 'v';
