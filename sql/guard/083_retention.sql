-- Row changes whose time is over. What stays of them is their hash in the log, and when, by whom and why they went.
CALL rlsguard.take_back('{retention, retention_id_seq, retired_only, retire}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.retention (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    before timestamptz NOT NULL,
    entries int8multirange NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    payload bytea NOT NULL,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32)
);
ALTER TABLE rlsguard.retention SET LOGGED;
ALTER TABLE rlsguard.retention ALTER COLUMN id SET NO CYCLE SET INCREMENT BY 1 SET NO MINVALUE SET NO MAXVALUE;
COMMENT ON TABLE rlsguard.retention IS 'Which row changes went when their time was over; written by rlsguard.retire() only';
COMMENT ON COLUMN rlsguard.retention.before IS 'What went was older';
COMMENT ON COLUMN rlsguard.retention.entries IS 'The entries of rlsguard.change_entry that went, and no others';

CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.retention
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.retention ENABLE ALWAYS TRIGGER append_only;

ALTER TABLE rlsguard.retention ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.retention;
CREATE POLICY guard ON rlsguard.retention USING (true);
GRANT SELECT ON rlsguard.retention TO rlsguard_auditor;

-- Once a statement, and ranges held against ranges: rows go by the hundred thousand.
CREATE OR REPLACE FUNCTION rlsguard.retired_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone int8multirange;
    latest timestamptz;
BEGIN
    SELECT range_agg(int8range(d.id, d.id, '[]')), max(d.changed_at) INTO gone, latest FROM deleted_rows AS d;
    IF NOT EXISTS (
        SELECT FROM rlsguard.retention AS r
        WHERE r.transaction_id = pg_current_xact_id() AND r.entries @> gone AND r.before > latest
    ) THEN
        RAISE EXCEPTION '% on %.% is refused: it only grows', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'rlsguard ledger retire takes out row changes whose time is over, and records that.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rlsguard.retired_only() IS 'Lets row changes go that a retention on record names, and refuses any other DELETE';
REVOKE ALL ON FUNCTION rlsguard.retired_only() FROM PUBLIC;

CREATE OR REPLACE TRIGGER retired_only
    AFTER DELETE ON rlsguard.change_entry
    REFERENCING OLD TABLE AS deleted_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.retired_only();
ALTER TABLE rlsguard.change_entry ENABLE ALWAYS TRIGGER retired_only;

CREATE OR REPLACE FUNCTION rlsguard.retire(before timestamptz, reason text, most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
-- Along the numbers and no further than it takes, whatever the planner thinks: not all that is older for each part of it.
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    ids bigint[];
    gone int8multirange;
    record_id bigint;
    told bytea;
BEGIN
    IF btrim(coalesce(reason, '')) = '' THEN
        RAISE EXCEPTION 'the reason is missing' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF before IS NULL THEN
        RAISE EXCEPTION 'the time is missing: row changes before when?' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF before > clock_timestamp() THEN
        RAISE EXCEPTION 'the time lies in the future: %', before USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- What every reader of the log can take in.
    IF most IS NULL OR most NOT BETWEEN 1 AND 1000000 THEN
        RAISE EXCEPTION 'at most 1 to 1000000 entries at once, not %', coalesce(most::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One at a time: two would record the same entries.
    LOCK TABLE rlsguard.retention IN SHARE ROW EXCLUSIVE MODE;
    SELECT array_agg(o.id), range_agg(int8range(o.id, o.id, '[]')) INTO ids, gone
    FROM (
        SELECT c.id
        FROM rlsguard.change_entry AS c
        WHERE c.changed_at < retire.before
          -- What is not as it was sealed stays, for a verification to name: its time could be another, too. No join, which
          -- could begin with the leaves of all that went before; and nothing is read as JSON, which it need not be.
          AND sha256(E'\\x00'::bytea || c.payload) = (
              SELECT l.hash FROM rlsguard.log_leaf AS l WHERE l.source = 'change_entry' AND l.entry = c.id)
          -- as json and jsonb write it
          AND (position(convert_to('"changed_at" : ' || to_json(c.changed_at AT TIME ZONE 'UTC'), 'UTF8') IN c.payload) > 0
               OR position(convert_to('"changed_at": ' || to_json(c.changed_at AT TIME ZONE 'UTC'), 'UTF8') IN c.payload) > 0)
        ORDER BY c.id
        LIMIT most
    ) AS o;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    record_id := nextval('rlsguard.retention_id_seq');
    told := convert_to(jsonb_build_object(
        'retention', record_id,
        'before', to_char(before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'count', cardinality(ids),
        'entries', gone::text,
        'reason', reason,
        'retired_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'retired_by', session_user,
        'transaction_id', pg_current_xact_id()::text)::text, 'UTF8');
    INSERT INTO rlsguard.retention (id, before, entries, payload, leaf_hash) OVERRIDING SYSTEM VALUE
    VALUES (record_id, before, gone, told, sha256(E'\\x00'::bytea || told));
    DELETE FROM rlsguard.change_entry AS c WHERE c.id = ANY (ids);
    RETURN cardinality(ids);
END
$$;
COMMENT ON FUNCTION rlsguard.retire(timestamptz, text, int)
    IS 'Takes out sealed row changes that are older, the first ones first, and records that; returns how many';
REVOKE ALL ON FUNCTION rlsguard.retire(timestamptz, text, int) FROM PUBLIC;

RESET ROLE;
