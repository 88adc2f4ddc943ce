-- By the design of supa_audit 0.3.1 (https://github.com/supabase/supa_audit): a row trigger that looks up the primary key
-- whenever it is called, and names each row by a hash of its table and key. As there, the trigger sets no search_path: it
-- must find uuid-ossp.
CREATE SCHEMA audit;
CREATE TYPE audit.operation AS ENUM ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE');
CREATE TABLE audit.record_version (
    id bigserial PRIMARY KEY,
    record_id uuid,
    old_record_id uuid,
    op audit.operation NOT NULL,
    ts timestamptz NOT NULL DEFAULT now(),
    table_oid oid NOT NULL,
    table_schema name NOT NULL,
    table_name name NOT NULL,
    record jsonb,
    old_record jsonb,
    CHECK (op = 'TRUNCATE' OR coalesce(record_id, old_record_id) IS NOT NULL),
    CHECK ((record_id IS NOT NULL) = (op IN ('INSERT', 'UPDATE'))),
    CHECK ((record IS NOT NULL) = (op IN ('INSERT', 'UPDATE'))),
    CHECK ((old_record_id IS NOT NULL) = (op IN ('UPDATE', 'DELETE'))),
    CHECK ((old_record IS NOT NULL) = (op IN ('UPDATE', 'DELETE')))
);
CREATE INDEX ON audit.record_version (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX ON audit.record_version (old_record_id) WHERE old_record_id IS NOT NULL;
CREATE INDEX ON audit.record_version USING brin (ts);
CREATE INDEX ON audit.record_version (table_oid);

CREATE FUNCTION audit.key_columns(its_table oid) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
    SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}')
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = its_table AND i.indisprimary
$$;

CREATE FUNCTION audit.name_of(its_table oid, columns text[], its_row jsonb) RETURNS uuid
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN its_row IS NULL THEN NULL
        WHEN columns = '{}' THEN gen_random_uuid()
        ELSE (
            SELECT %(hash)s
            FROM (
                SELECT (jsonb_build_array(to_jsonb(its_table)) || jsonb_agg(its_row ->> c))::text
                FROM unnest(columns) AS c
            ) AS named (key)
        )
    END
$$;

CREATE FUNCTION audit.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $$
DECLARE
    columns text[] := audit.key_columns(TG_RELID);
    new_row jsonb := to_jsonb(NEW);
    new_name uuid := audit.name_of(TG_RELID, columns, new_row);
    old_row jsonb := to_jsonb(OLD);
    old_name uuid := audit.name_of(TG_RELID, columns, old_row);
BEGIN
    INSERT INTO audit.record_version
        (record_id, old_record_id, op, table_oid, table_schema, table_name, record, old_record)
    SELECT new_name, old_name, TG_OP::audit.operation, TG_RELID, TG_TABLE_SCHEMA, TG_TABLE_NAME, new_row, old_row;
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.trans FOR EACH ROW EXECUTE FUNCTION audit.record_change();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.bare FOR EACH ROW EXECUTE FUNCTION audit.record_change();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.keyed FOR EACH ROW EXECUTE FUNCTION audit.record_change();
