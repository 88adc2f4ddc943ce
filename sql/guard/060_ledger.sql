-- The ledger: every opt-out and opt-in, append-only for everyone, the owner included.
CALL rlsguard.take_back('{opt_out_event, opt_out_event_id_seq, erasure, erasure_id_seq, refuse_change, erase_only, erase_content_only}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.opt_out_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind text COLLATE "C" NOT NULL,
    subject_key text COLLATE "C",
    purpose text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL CHECK (action IN ('opt_out', 'opt_in')),
    version bigint NOT NULL CHECK (version > 0),
    recorded_at timestamptz NOT NULL,
    requested_at timestamptz NOT NULL,
    actor text CHECK (actor <> ''),
    recorded_by text NOT NULL,
    recorded_as text NOT NULL,
    client_address inet,
    application_name text,
    transaction_id xid8 NOT NULL,
    reason text,
    context jsonb CHECK (jsonb_typeof(context) = 'object'),
    previous_hash bytea CHECK (octet_length(previous_hash) = 32),
    key_salt bytea CHECK (octet_length(key_salt) = 32),
    salt bytea CHECK (octet_length(salt) = 32),
    payload bytea NOT NULL,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    UNIQUE (subject_kind, subject_key, purpose, version),
    -- There, or erased.
    CHECK ((subject_key IS NULL) = (key_salt IS NULL)),
    CHECK (num_nulls(actor, application_name, context, salt) IN (0, 4)),
    CHECK (salt IS NOT NULL OR num_nonnulls(client_address, reason) = 0)
);
COMMENT ON TABLE rlsguard.opt_out_event IS 'Ledger of opt-outs and opt-ins; written by rlsguard.opt_out() and opt_in() only';
COMMENT ON COLUMN rlsguard.opt_out_event.subject_key IS 'The key in its stored spelling: one spelling per person';
COMMENT ON COLUMN rlsguard.opt_out_event.version IS 'Counts the changes of one subject and purpose from 1';
COMMENT ON COLUMN rlsguard.opt_out_event.actor IS 'Who asked, as told by the recorder';
COMMENT ON COLUMN rlsguard.opt_out_event.recorded_by IS 'session_user: the login that recorded it';
COMMENT ON COLUMN rlsguard.opt_out_event.recorded_as IS 'The role the login had set, or the login itself';
COMMENT ON COLUMN rlsguard.opt_out_event.key_salt IS 'What subject_key is hashed with for the payload; whoever lacks it cannot guess the key';
COMMENT ON COLUMN rlsguard.opt_out_event.salt IS 'The same for actor, client_address, application_name, reason and context';
COMMENT ON COLUMN rlsguard.opt_out_event.payload IS 'The exact bytes that leaf_hash covers: the entry as JSON, in UTC, personal values hashed';
COMMENT ON COLUMN rlsguard.opt_out_event.leaf_hash IS 'sha256(0x00 || payload), a leaf of RFC 6962, section 2.1';

-- A crash empties an unlogged table.
ALTER TABLE rlsguard.opt_out_event SET LOGGED;
ALTER TABLE rlsguard.opt_out_event ALTER COLUMN id SET NO CYCLE SET INCREMENT BY 1 SET NO MINVALUE SET NO MAXVALUE;

-- A person's values can be erased from the ledger, and that alone: the payload still proves what it proved.
CREATE TABLE IF NOT EXISTS rlsguard.erasure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind text COLLATE "C" NOT NULL,
    entries bigint[] NOT NULL,
    changes bigint[] NOT NULL,
    with_key boolean NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    payload bytea NOT NULL,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32)
);
ALTER TABLE rlsguard.erasure SET LOGGED;
ALTER TABLE rlsguard.erasure ALTER COLUMN id SET NO CYCLE SET INCREMENT BY 1 SET NO MINVALUE SET NO MAXVALUE;
COMMENT ON TABLE rlsguard.erasure IS 'Whose values were erased from which entries; written by rlsguard.erase() only';
COMMENT ON COLUMN rlsguard.erasure.entries IS 'Of rlsguard.opt_out_event';
COMMENT ON COLUMN rlsguard.erasure.changes IS 'Of rlsguard.change_entry';
COMMENT ON COLUMN rlsguard.erasure.with_key IS 'Whether the key went too, and with it what policies ask';

CREATE OR REPLACE FUNCTION rlsguard.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- What policies ask of one person goes with the key.
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM rlsguard.erasure AS e
        WHERE e.transaction_id = pg_current_xact_id() AND e.with_key AND TG_TABLE_NAME = 'opt_out_' || e.subject_kind
    ) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: it only grows', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Record a new opt-out or opt-in instead.';
END
$$;
COMMENT ON FUNCTION rlsguard.refuse_change() IS 'Refuses what would rewrite history';
REVOKE ALL ON FUNCTION rlsguard.refuse_change() FROM PUBLIC;

CREATE OR REPLACE FUNCTION rlsguard.erase_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    with_key boolean := (SELECT bool_or(e.with_key) FROM rlsguard.erasure AS e
                         WHERE e.transaction_id = pg_current_xact_id() AND OLD.id = ANY (e.entries));
    erased jsonb := to_jsonb(OLD) || '{"actor": null, "client_address": null, "application_name": null, "reason": null,
                                       "context": null, "salt": null}';
BEGIN
    IF with_key THEN
        erased := erased || '{"subject_key": null, "key_salt": null}';
    END IF;
    IF with_key IS NULL OR to_jsonb(NEW) IS DISTINCT FROM erased THEN
        RAISE EXCEPTION '% on %.% is refused: it only grows', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Record a new opt-out or opt-in instead. rlsguard ledger erase takes personal values out.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION rlsguard.erase_only() IS 'Lets an erasure that is on record take out personal values, and refuses any other change';
REVOKE ALL ON FUNCTION rlsguard.erase_only() FROM PUBLIC;

-- The same for the content of row changes; once a statement, for a person can have many.
CREATE OR REPLACE FUNCTION rlsguard.erase_content_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM rows_after AS a
        LEFT JOIN rows_before AS b ON b.id = a.id
        WHERE to_jsonb(a) IS DISTINCT FROM to_jsonb(b) || '{"content": null, "salt": null}'
           OR a.id NOT IN (
               SELECT unnest(e.changes) FROM rlsguard.erasure AS e WHERE e.transaction_id = pg_current_xact_id()))
    THEN
        RAISE EXCEPTION '% on %.% is refused: it only grows', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'rlsguard ledger erase takes personal values out.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION rlsguard.erase_content_only() IS 'Lets an erasure that is on record take out the content of row changes, and refuses any other change';
REVOKE ALL ON FUNCTION rlsguard.erase_content_only() FROM PUBLIC;

CREATE OR REPLACE TRIGGER append_only
    BEFORE DELETE OR TRUNCATE ON rlsguard.opt_out_event
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.opt_out_event ENABLE ALWAYS TRIGGER append_only;
CREATE OR REPLACE TRIGGER erase_only
    BEFORE UPDATE ON rlsguard.opt_out_event
    FOR EACH ROW EXECUTE FUNCTION rlsguard.erase_only();
ALTER TABLE rlsguard.opt_out_event ENABLE ALWAYS TRIGGER erase_only;
CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.erasure ENABLE ALWAYS TRIGGER append_only;

ALTER TABLE rlsguard.opt_out_event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE rlsguard.erasure ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.opt_out_event;
DROP POLICY IF EXISTS guard ON rlsguard.erasure;
CREATE POLICY guard ON rlsguard.opt_out_event USING (true);
CREATE POLICY guard ON rlsguard.erasure USING (true);
GRANT SELECT ON rlsguard.opt_out_event, rlsguard.erasure TO rlsguard_auditor;

RESET ROLE;
