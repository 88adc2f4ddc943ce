-- Row changes of audited tables.
CALL rlsguard.take_back('{change_event, change_event_id_seq, secret, own_rows, withhold, as_json, hand_over_role, audit_change}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.change_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name text NOT NULL,
    table_oid oid NOT NULL,
    operation text NOT NULL CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')),
    old_row jsonb,
    new_row jsonb,
    withheld text[],
    current_role_name text,
    claimed_actor text,
    changed_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    session_role text NOT NULL DEFAULT session_user,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    client_address inet DEFAULT inet_client_addr(),
    application_name text NOT NULL DEFAULT current_setting('application_name')
);
-- A crash empties an unlogged table.
ALTER TABLE rlsguard.change_event SET LOGGED;
ALTER TABLE rlsguard.change_event ALTER COLUMN id SET NO CYCLE SET INCREMENT BY 1 SET NO MINVALUE SET NO MAXVALUE;
CREATE INDEX IF NOT EXISTS change_event_changed_at ON rlsguard.change_event USING brin (changed_at);
COMMENT ON TABLE rlsguard.change_event IS 'Row changes of the tables that the data map audits; append-only';
COMMENT ON COLUMN rlsguard.change_event.changed_at IS 'Start of the statement that made the change';
COMMENT ON COLUMN rlsguard.change_event.withheld IS 'Columns left out of old_row and new_row, or stored as a salted hash';
COMMENT ON COLUMN rlsguard.change_event.session_role IS 'session_user: the login';
COMMENT ON COLUMN rlsguard.change_event.current_role_name IS 'current_user as the statement ended: any role that session_role may set, or a definer function''s owner';
COMMENT ON COLUMN rlsguard.change_event.claimed_actor IS 'The application''s own user, from the setting rlsguard.actor: a claim, not proof';

CREATE TABLE IF NOT EXISTS rlsguard.secret (
    name text PRIMARY KEY,
    value bytea NOT NULL
);
ALTER TABLE rlsguard.secret SET LOGGED;
COMMENT ON TABLE rlsguard.secret IS 'The salt of hashed columns; the guard alone reads it';
-- Two UUIDs: 244 random bits from the server, with no extension.
INSERT INTO rlsguard.secret
VALUES ('audit_salt', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
ON CONFLICT DO NOTHING;

CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.change_event
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.change_event ENABLE ALWAYS TRIGGER append_only;
-- With another salt equal values would no longer look equal.
CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.secret
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.secret ENABLE ALWAYS TRIGGER append_only;

ALTER TABLE rlsguard.change_event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE rlsguard.secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.change_event;
DROP POLICY IF EXISTS guard ON rlsguard.secret;
CREATE POLICY guard ON rlsguard.change_event USING (true);
CREATE POLICY guard ON rlsguard.secret USING (true);
GRANT SELECT ON rlsguard.change_event TO rlsguard_auditor;

-- Whether the rows are there that the guard itself goes by; for auditors, who may not see them.
CREATE OR REPLACE VIEW rlsguard.own_rows AS
SELECT 'guard_only' AS of_table,
       (SELECT count(*) FROM rlsguard.guard_only AS g WHERE g.one) = 1 AS intact
UNION ALL
SELECT 'hop_like', (SELECT count(*) FROM rlsguard.hop_like AS h WHERE h.one) = 1
UNION ALL
SELECT 'secret', (SELECT array_agg(s.name || ' ' || octet_length(s.value)) FROM rlsguard.secret AS s) = '{audit_salt 32}'::text[];
COMMENT ON VIEW rlsguard.own_rows IS 'Whether the guard has the rows that it goes by';
REVOKE ALL ON rlsguard.own_rows FROM PUBLIC;
GRANT SELECT ON rlsguard.own_rows TO rlsguard_auditor;

-- Columns to redact are taken out, columns to hash are replaced. A column that the row does not have was
-- renamed behind the map's back: then everything is withheld.
CREATE OR REPLACE FUNCTION rlsguard.withhold(changed_row jsonb, redact text[], hash text[]) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE
        WHEN NOT changed_row ?& (redact || hash) THEN '{}'::jsonb
        ELSE changed_row - (redact || hash) || coalesce((
            SELECT jsonb_object_agg(
                h.name,
                CASE
                    WHEN changed_row ->> h.name IS NULL THEN NULL
                    ELSE encode(sha256(s.value || convert_to(changed_row ->> h.name, 'UTF8')), 'hex')
                END)
            FROM unnest(hash) AS h (name)
            CROSS JOIN rlsguard.secret AS s
            WHERE s.name = 'audit_salt'
        ), '{}'::jsonb)
    END;
END;
COMMENT ON FUNCTION rlsguard.withhold(jsonb, text[], text[]) IS 'A row without its redacted columns, the hashed ones as salted sha256';

REVOKE ALL ON FUNCTION rlsguard.withhold(jsonb, text[], text[]) FROM PUBLIC;

-- Inside a definer function current_user is its owner. This one runs as the writer, right before the writing one:
-- both are AFTER triggers with adjoining names, so no code of the writer's runs between them.
CREATE OR REPLACE FUNCTION rlsguard.hand_over_role() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('rlsguard.writer', current_user, true);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rlsguard.hand_over_role() IS 'Tells audit_change() who current_user was';
REVOKE ALL ON FUNCTION rlsguard.hand_over_role() FROM PUBLIC;

-- to_jsonb() runs the casts to json that owners of types have made. Here they run without a right to anything, and all
-- that they do is undone: they could make functions that run as rlsguard_nobody ever after, or drop this one.
GRANT CREATE, USAGE ON SCHEMA rlsguard TO rlsguard_nobody;
SET LOCAL ROLE rlsguard_nobody;

CREATE OR REPLACE FUNCTION rlsguard.as_json(changed_row anyelement) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    said jsonb;
BEGIN
    said := to_jsonb(changed_row);
    RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
    -- None if it was a cast that raised it.
    IF said IS NULL THEN
        RAISE EXCEPTION 'a type of %: its cast to json failed', pg_typeof(changed_row)
            USING ERRCODE = 'data_exception';
    END IF;
    RETURN said;
END
$$;
COMMENT ON FUNCTION rlsguard.as_json(anyelement) IS 'A row as JSON; code of its types'' owners runs as rlsguard_nobody';
REVOKE ALL ON FUNCTION rlsguard.as_json(anyelement) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rlsguard.as_json(anyelement) TO rlsguard_owner;

SET LOCAL ROLE rlsguard_owner;
REVOKE CREATE, USAGE ON SCHEMA rlsguard FROM rlsguard_nobody;

-- Arguments: the columns to redact and to hash, as array literals. Statement triggers bring transition tables
-- (inserted_rows, deleted_rows); an UPDATE is always audited row by row, where old and new belong together for sure.
CREATE OR REPLACE FUNCTION rlsguard.audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    redact text[] := coalesce(TG_ARGV[0], '{}')::text[];
    hash text[] := coalesce(TG_ARGV[1], '{}')::text[];
    plain boolean := redact || hash = '{}';
    withheld text[] := nullif(redact || hash, '{}');
    qualified text := format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
    writer text := nullif(current_setting('rlsguard.writer', true), '');
    claimed text := nullif(current_setting('rlsguard.actor', true), '');
    old_row jsonb;
    new_row jsonb;
BEGIN
    IF TG_LEVEL = 'STATEMENT' AND TG_OP = 'INSERT' THEN
        INSERT INTO rlsguard.change_event
            (table_name, table_oid, operation, new_row, withheld, current_role_name, claimed_actor)
        SELECT qualified, TG_RELID, TG_OP,
               CASE WHEN plain THEN rlsguard.as_json(n) ELSE rlsguard.withhold(rlsguard.as_json(n), redact, hash) END,
               withheld, writer, claimed
        FROM inserted_rows AS n;
    ELSIF TG_LEVEL = 'STATEMENT' AND TG_OP = 'DELETE' THEN
        INSERT INTO rlsguard.change_event
            (table_name, table_oid, operation, old_row, withheld, current_role_name, claimed_actor)
        SELECT qualified, TG_RELID, TG_OP,
               CASE WHEN plain THEN rlsguard.as_json(o) ELSE rlsguard.withhold(rlsguard.as_json(o), redact, hash) END,
               withheld, writer, claimed
        FROM deleted_rows AS o;
    ELSE
        IF TG_OP IN ('UPDATE', 'DELETE') THEN
            old_row := CASE WHEN plain THEN rlsguard.as_json(OLD) ELSE rlsguard.withhold(rlsguard.as_json(OLD), redact, hash) END;
        END IF;
        IF TG_OP IN ('INSERT', 'UPDATE') THEN
            new_row := CASE WHEN plain THEN rlsguard.as_json(NEW) ELSE rlsguard.withhold(rlsguard.as_json(NEW), redact, hash) END;
        END IF;
        INSERT INTO rlsguard.change_event
            (table_name, table_oid, operation, old_row, new_row, withheld, current_role_name, claimed_actor)
        VALUES (qualified, TG_RELID, TG_OP, old_row, new_row, withheld, writer, claimed);
    END IF;
    -- The next statement hands over anew.
    PERFORM set_config('rlsguard.writer', '', true);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rlsguard.audit_change() IS 'Writes the row changes of an audited table to rlsguard.change_event';

REVOKE ALL ON FUNCTION rlsguard.audit_change() FROM PUBLIC;

RESET ROLE;
