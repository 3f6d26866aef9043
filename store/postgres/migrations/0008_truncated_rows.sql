-- Whoever truncates the rows for readers by hand leaves what a crash leaves: no row, no card and no
-- mark. Readers then have the values from the journal, and the next flush rebuilds the rows.

-- With its owner's rights: who may truncate one of these tables need not have any on the others.
CREATE FUNCTION token_forget_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $trigger$
BEGIN
    DELETE FROM token_stats;
    DELETE FROM token_card;
    DELETE FROM token_stats_mark;
    RETURN NULL;
END
$trigger$;
DO $migration$
BEGIN
    EXECUTE format('ALTER FUNCTION token_forget_rows() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$migration$;
REVOKE EXECUTE ON FUNCTION token_forget_rows() FROM PUBLIC;

CREATE TRIGGER forget_rows AFTER TRUNCATE ON token_stats
FOR EACH STATEMENT EXECUTE FUNCTION token_forget_rows();
CREATE TRIGGER forget_rows AFTER TRUNCATE ON token_card
FOR EACH STATEMENT EXECUTE FUNCTION token_forget_rows();

-- The side of the journal that is written to is the only logged copy of the newest values, and of
-- statuses that nobody tells again. The service itself truncates the other side alone.
CREATE FUNCTION token_keep_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $trigger$
BEGIN
    IF TG_TABLE_NAME = (SELECT 'token_journal_' || side FROM token_journal_state) THEN
        RAISE EXCEPTION '% is the only durable copy of the values of every token', TG_TABLE_NAME
            USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'token-discovery begins it anew by itself when it is long. To begin with no token '
                'at all, stop the service and drop its tables.';
    END IF;
    RETURN NULL;
END
$trigger$;
DO $migration$
BEGIN
    EXECUTE format('ALTER FUNCTION token_keep_journal() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$migration$;
REVOKE EXECUTE ON FUNCTION token_keep_journal() FROM PUBLIC;

CREATE TRIGGER keep_journal BEFORE TRUNCATE ON token_journal_a
FOR EACH STATEMENT EXECUTE FUNCTION token_keep_journal();
CREATE TRIGGER keep_journal BEFORE TRUNCATE ON token_journal_b
FOR EACH STATEMENT EXECUTE FUNCTION token_keep_journal();
