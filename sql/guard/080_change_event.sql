-- Row changes of audited tables.
CALL rlsguard.take_back('{change_entry, change_entry_id_seq, change_event, secret, own_rows, withhold, readable, change_content,
    change_payload, hand_over_role, as_json, next_rows, audit_change, audit_rows}');
SET LOCAL ROLE rlsguard_owner;

-- One entry for each row that an UPDATE changes, or that a row trigger tells of; else one for every 64 kB of rows.
CREATE TABLE IF NOT EXISTS rlsguard.change_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id xid8 NOT NULL,
    changed_at timestamptz NOT NULL,
    payload bytea NOT NULL,
    content text,
    salt bytea,
    leaf_hash bytea NOT NULL
);
-- A crash empties an unlogged table.
ALTER TABLE rlsguard.change_entry SET LOGGED;
ALTER TABLE rlsguard.change_entry ALTER COLUMN id SET NO CYCLE SET INCREMENT BY 1 SET NO MINVALUE SET NO MAXVALUE;
CREATE INDEX IF NOT EXISTS change_entry_changed_at ON rlsguard.change_entry USING brin (changed_at);
COMMENT ON TABLE rlsguard.change_entry IS 'Row changes of the tables that the data map audits, append-only; rlsguard.change_event shows them row by row';
COMMENT ON COLUMN rlsguard.change_entry.changed_at IS 'Start of the statement that made the change';
COMMENT ON COLUMN rlsguard.change_entry.payload IS 'The exact bytes that leaf_hash covers: which table, how, when and by which role, as JSON; content by its salted hash';
COMMENT ON COLUMN rlsguard.change_entry.content IS 'JSON in three lines: who the application says it was, rows before, rows after';
COMMENT ON COLUMN rlsguard.change_entry.salt IS 'What content is hashed with for the payload; whoever lacks it cannot guess the content';
COMMENT ON COLUMN rlsguard.change_entry.leaf_hash IS 'sha256(0x00 || payload), a leaf of RFC 6962, section 2.1';

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
    BEFORE TRUNCATE ON rlsguard.change_entry
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.change_entry ENABLE ALWAYS TRIGGER append_only;
CREATE OR REPLACE TRIGGER erase_only
    AFTER UPDATE ON rlsguard.change_entry
    REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.erase_content_only();
ALTER TABLE rlsguard.change_entry ENABLE ALWAYS TRIGGER erase_only;
-- With another salt equal values would no longer look equal.
CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.secret
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.secret ENABLE ALWAYS TRIGGER append_only;

ALTER TABLE rlsguard.change_entry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE rlsguard.secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.change_entry;
DROP POLICY IF EXISTS guard ON rlsguard.secret;
CREATE POLICY guard ON rlsguard.change_entry USING (true);
CREATE POLICY guard ON rlsguard.secret USING (true);
GRANT SELECT ON rlsguard.change_entry TO rlsguard_auditor;

-- Rows stay json, and each line of content is read by itself: a row can hold what text and jsonb cannot, and must not keep
-- others from being read.
CREATE OR REPLACE VIEW rlsguard.change_event AS
SELECT e.id,
       r.line,
       format('%I.%I', p.said ->> 'schema', p.said ->> 'table') AS table_name,
       (p.said ->> 'table_oid')::oid AS table_oid,
       p.said ->> 'operation' AS operation,
       r.old_row,
       r.new_row,
       nullif(ARRAY(
           SELECT unnest((p.said ->> 'redacted')::text[]) UNION ALL SELECT unnest((p.said ->> 'hashed')::text[])
       ), '{}') AS withheld,
       nullif(p.said ->> 'current_role', '') AS current_role_name,
       nullif(c.by ->> 'actor', '') AS claimed_actor,
       e.changed_at,
       p.said ->> 'session_role' AS session_role,
       e.transaction_id,
       (c.by ->> 'client_address')::inet AS client_address,
       c.by ->> 'application_name' AS application_name,
       (p.said ->> 'restates')::bigint AS restates
FROM rlsguard.change_entry AS e
CROSS JOIN LATERAL (SELECT convert_from(e.payload, 'UTF8')::json) AS p (said)
CROSS JOIN LATERAL (SELECT split_part(e.content, E'\n', 1)::json) AS c (by)
LEFT JOIN LATERAL ROWS FROM (
    json_array_elements(nullif(split_part(e.content, E'\n', 2), '')::json),
    json_array_elements(nullif(split_part(e.content, E'\n', 3), '')::json)
) WITH ORDINALITY AS r (old_row, new_row, line) ON true;
COMMENT ON VIEW rlsguard.change_event IS 'Row changes of the tables that the data map audits, row by row';
COMMENT ON COLUMN rlsguard.change_event.id IS 'The entry of rlsguard.change_entry; rows of one statement can share one';
COMMENT ON COLUMN rlsguard.change_event.restates IS 'The entry whose rows these are, but for those of a person who was erased';
COMMENT ON COLUMN rlsguard.change_event.changed_at IS 'Start of the statement that made the change';
COMMENT ON COLUMN rlsguard.change_event.withheld IS 'Columns left out of old_row and new_row, or stored as a salted hash';
COMMENT ON COLUMN rlsguard.change_event.session_role IS 'session_user: the login';
COMMENT ON COLUMN rlsguard.change_event.current_role_name IS 'current_user as the statement ended: any role that session_role may set, or a definer function''s owner';
COMMENT ON COLUMN rlsguard.change_event.claimed_actor IS 'The application''s own user, from the setting rlsguard.actor: a claim, not proof';
REVOKE ALL ON rlsguard.change_event FROM PUBLIC;
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

-- Columns to redact are taken out, columns to hash are replaced. A column that a row does not have was
-- renamed behind the map's back: then everything is withheld.
CREATE OR REPLACE FUNCTION rlsguard.withhold(changed text, redact text[], hash text[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(coalesce((
        SELECT replace(json_agg(
            CASE
                WHEN NOT r.changed_row ?& (redact || hash) THEN '{}'::jsonb
                ELSE r.changed_row - (redact || hash) || coalesce((
                    SELECT jsonb_object_agg(
                        h.name,
                        CASE
                            WHEN r.changed_row ->> h.name IS NULL THEN NULL
                            ELSE encode(sha256(s.value || convert_to(r.changed_row ->> h.name, 'UTF8')), 'hex')
                        END)
                    FROM unnest(hash) AS h (name)
                    CROSS JOIN rlsguard.secret AS s
                    WHERE s.name = 'audit_salt'
                ), '{}'::jsonb)
            END ORDER BY r.line)::text, E'\n', '')
        FROM (SELECT e.its_row::jsonb, e.line
              FROM json_array_elements(nullif(side.rows, '')::json) WITH ORDINALITY AS e (its_row, line)) AS r (changed_row, line)
    ), ''), E'\n' ORDER BY side.line)
    FROM string_to_table(changed, E'\n') WITH ORDINALITY AS side (rows, line);
END;
COMMENT ON FUNCTION rlsguard.withhold(text, text[], text[]) IS 'Rows before and after without their redacted columns, the hashed ones as salted sha256';

-- JSON that is nested about as deeply as can be read at all could be written here and not be read elsewhere, and no other row
-- with it: what is long enough for that is read once, with room to spare.
CREATE OR REPLACE FUNCTION rlsguard.readable(said text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN (repeat('[', 500)
                      || concat_ws(',', nullif(split_part(said, E'\n', 1), ''), nullif(split_part(said, E'\n', 2), ''))
                      || repeat(']', 500))::json IS NOT NULL THEN said END;
END;
COMMENT ON FUNCTION rlsguard.readable(text) IS 'Up to two lines of JSON; an error if they are nested so deeply that others could not read them';

-- Rows before and after, with who says that it was them. Put together as text: large JSON is not to be read once more.
CREATE OR REPLACE FUNCTION rlsguard.change_content(changed text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.json_build_object(
        'actor', pg_catalog.current_setting('rlsguard.actor', true),
        'client_address', pg_catalog.inet_client_addr(),
        'application_name', pg_catalog.current_setting('application_name')
    ) || E'\n' || changed;
END;
COMMENT ON FUNCTION rlsguard.change_content(text) IS 'The content of an entry of rlsguard.change_entry';

-- The exact bytes that an entry's leaf hash covers. No setting changes the text form of what is in it.
CREATE OR REPLACE FUNCTION rlsguard.change_payload(
    id bigint, schema_name name, table_name name, table_oid oid, operation text, lines bigint, redacted text, hashed text,
    salt bytea, content text
) RETURNS bytea
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.convert_to(pg_catalog.json_build_object(
        'id', id,
        'schema', schema_name,
        'table', table_name,
        'table_oid', table_oid,
        'operation', operation,
        'rows', lines,
        'redacted', redacted,
        'hashed', hashed,
        'changed_at', pg_catalog.statement_timestamp() AT TIME ZONE 'UTC',
        'session_role', session_user,
        'current_role', pg_catalog.current_setting('rlsguard.writer', true),
        'transaction_id', pg_catalog.pg_current_xact_id(),
        'content', pg_catalog.json_build_object(
            'sha256', pg_catalog.encode(pg_catalog.sha256(salt || pg_catalog.convert_to(content, 'UTF8')), 'hex'))
    )::text, 'UTF8');
END;
COMMENT ON FUNCTION rlsguard.change_payload(bigint, name, name, oid, text, bigint, text, text, bytea, text)
    IS 'Canonical bytes of an entry of rlsguard.change_entry';

REVOKE ALL ON FUNCTION
    rlsguard.withhold(text, text[], text[]),
    rlsguard.readable(text),
    rlsguard.change_content(text),
    rlsguard.change_payload(bigint, name, name, oid, text, bigint, text, text, bytea, text)
FROM PUBLIC;

-- Inside a definer function current_user is its owner. This one runs as the writer, right before the writing one: both are AFTER
-- triggers with adjoining names. Whoever may make triggers on the table could put one of theirs between; check names them.
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

-- to_json() runs the casts to json that owners of types have made. Here they run without a right to anything, and all
-- that they do is undone: they could make functions that run as rlsguard_nobody ever after, or drop these.
GRANT CREATE, USAGE ON SCHEMA rlsguard TO rlsguard_nobody;
SET LOCAL ROLE rlsguard_nobody;

CREATE OR REPLACE FUNCTION rlsguard.as_json(old_row anyelement, new_row anyelement) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'iso_8601'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $$
DECLARE
    said text;
BEGIN
    -- A row of nothing but NULL is one, too: not IS NOT NULL. A json column may bring line feeds, as blanks only.
    said := concat(
        CASE WHEN old_row IS DISTINCT FROM NULL THEN '[' || replace(to_json(old_row)::text, E'\n', ' ') || ']' END,
        E'\n',
        CASE WHEN new_row IS DISTINCT FROM NULL THEN '[' || replace(to_json(new_row)::text, E'\n', ' ') || ']' END);
    RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
    -- None if it was a cast that raised it.
    IF said IS NULL THEN
        RAISE EXCEPTION 'a type of %: its cast to json failed', pg_typeof(new_row)
            USING ERRCODE = 'data_exception';
    END IF;
    RETURN said;
END
$$;
COMMENT ON FUNCTION rlsguard.as_json(anyelement, anyelement) IS 'A row before and after, a line of JSON each; code of its types'' owners runs as rlsguard_nobody';

-- What a cursor asks runs as whoever fetches.
CREATE OR REPLACE FUNCTION rlsguard.next_rows(of_cursor refcursor, OUT said text, OUT lines bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'iso_8601'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $$
DECLARE
    parts refcursor := of_cursor;
    done boolean := false;
BEGIN
    FETCH parts INTO said, lines;
    done := true;
    RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
    IF NOT done THEN
        RAISE EXCEPTION 'a type of an audited table: its cast to json failed' USING ERRCODE = 'data_exception';
    END IF;
END
$$;
COMMENT ON FUNCTION rlsguard.next_rows(refcursor) IS 'What a cursor over rows as JSON has next; code of their types'' owners runs as rlsguard_nobody';

REVOKE ALL ON FUNCTION rlsguard.as_json(anyelement, anyelement), rlsguard.next_rows(refcursor) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rlsguard.as_json(anyelement, anyelement), rlsguard.next_rows(refcursor) TO rlsguard_owner;

SET LOCAL ROLE rlsguard_owner;
REVOKE CREATE, USAGE ON SCHEMA rlsguard FROM rlsguard_nobody;

-- Arguments, if any: the columns to redact and to hash, as array literals. An UPDATE is always audited row by row, where old and
-- new belong together for sure. What is done here is done for every row: the fewer expressions, the faster.
CREATE OR REPLACE FUNCTION rlsguard.audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    id bigint := nextval('rlsguard.change_entry_id_seq');
    salt bytea := sha256(uuid_send(gen_random_uuid()));
    changed text := E'\n';
    lines bigint := bigint '1';
    content text;
    payload bytea;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        changed := rlsguard.as_json(OLD, NEW);
    ELSIF TG_OP = 'INSERT' THEN
        changed := rlsguard.as_json(NULL, NEW);
    ELSIF TG_OP = 'DELETE' THEN
        changed := rlsguard.as_json(OLD, NULL);
    ELSE
        lines := bigint '0';
    END IF;
    -- Arguments that are none fail here, and not whoever reads the audit.
    IF TG_NARGS > 0 THEN
        changed := rlsguard.withhold(changed, TG_ARGV[0]::text[], TG_ARGV[1]::text[]);
    END IF;
    content := rlsguard.change_content(CASE WHEN octet_length(changed) > 8000 THEN rlsguard.readable(changed) ELSE changed END);
    payload := rlsguard.change_payload(id, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_RELID, TG_OP, lines,
                                       TG_ARGV[0], TG_ARGV[1], salt, content);
    INSERT INTO rlsguard.change_entry OVERRIDING SYSTEM VALUE
    VALUES (id, pg_current_xact_id(), statement_timestamp(), payload, content, salt, sha256(E'\\x00'::bytea || payload));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rlsguard.audit_change() IS 'Writes the change of a row of an audited table, or its TRUNCATE, to rlsguard.change_entry';

-- The same for all rows of a statement: inserted_rows and deleted_rows are transition tables.
CREATE OR REPLACE FUNCTION rlsguard.audit_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
-- Aggregating by sorting, rows by the million need no memory.
SET enable_hashagg = off
AS $$
DECLARE
    id bigint;
    salt bytea;
    parts refcursor;
    said text;
    lines bigint;
    content text;
    payload bytea;
BEGIN
    IF TG_OP = 'INSERT' THEN
        OPEN parts NO SCROLL FOR
            SELECT replace(string_agg(p.said, ','), E'\n', ' '), count(*)
            FROM (SELECT CASE WHEN octet_length(j.said) > 8000 THEN rlsguard.readable(j.said) ELSE j.said END AS said,
                         sum(octet_length(j.said)) OVER (ROWS UNBOUNDED PRECEDING) / 65536 AS part
                  FROM (SELECT to_json(r)::text AS said FROM inserted_rows AS r OFFSET 0) AS j) AS p
            GROUP BY p.part ORDER BY p.part;
    ELSE
        OPEN parts NO SCROLL FOR
            SELECT replace(string_agg(p.said, ','), E'\n', ' '), count(*)
            FROM (SELECT CASE WHEN octet_length(j.said) > 8000 THEN rlsguard.readable(j.said) ELSE j.said END AS said,
                         sum(octet_length(j.said)) OVER (ROWS UNBOUNDED PRECEDING) / 65536 AS part
                  FROM (SELECT to_json(r)::text AS said FROM deleted_rows AS r OFFSET 0) AS j) AS p
            GROUP BY p.part ORDER BY p.part;
    END IF;
    LOOP
        SELECT n.said, n.lines INTO said, lines FROM rlsguard.next_rows(parts) AS n;
        EXIT WHEN said IS NULL;
        said := CASE TG_OP WHEN 'INSERT' THEN E'\n[' || said || ']' ELSE '[' || said || E']\n' END;
        IF TG_NARGS > 0 THEN
            said := rlsguard.withhold(said, TG_ARGV[0]::text[], TG_ARGV[1]::text[]);
        END IF;
        id := nextval('rlsguard.change_entry_id_seq');
        salt := sha256(uuid_send(gen_random_uuid()));
        content := rlsguard.change_content(said);
        payload := rlsguard.change_payload(id, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_RELID, TG_OP, lines,
                                           TG_ARGV[0], TG_ARGV[1], salt, content);
        INSERT INTO rlsguard.change_entry OVERRIDING SYSTEM VALUE
        VALUES (id, pg_current_xact_id(), statement_timestamp(), payload, content, salt, sha256(E'\\x00'::bytea || payload));
    END LOOP;
    CLOSE parts;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rlsguard.audit_rows() IS 'Writes the rows that a statement inserted into or deleted from an audited table to rlsguard.change_entry';

REVOKE ALL ON FUNCTION rlsguard.audit_change(), rlsguard.audit_rows() FROM PUBLIC;

RESET ROLE;
