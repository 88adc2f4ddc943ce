-- The ledger: every opt-out and opt-in, append-only for everyone, the owner included.
CALL rlsguard.take_back('{opt_out_event, refuse_change}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.opt_out_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind text COLLATE "C" NOT NULL,
    subject_key text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL CHECK (action IN ('opt_out', 'opt_in')),
    version bigint NOT NULL CHECK (version > 0),
    recorded_at timestamptz NOT NULL,
    requested_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    recorded_by text NOT NULL,
    recorded_as text NOT NULL,
    client_address inet,
    application_name text NOT NULL,
    transaction_id xid8 NOT NULL,
    reason text,
    context jsonb NOT NULL CHECK (jsonb_typeof(context) = 'object'),
    previous_hash bytea CHECK (octet_length(previous_hash) = 32),
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    payload bytea NOT NULL,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    UNIQUE (subject_kind, subject_key, purpose, version)
);
COMMENT ON TABLE rlsguard.opt_out_event IS 'Ledger of opt-outs and opt-ins; written by rlsguard.opt_out() and opt_in() only';
COMMENT ON COLUMN rlsguard.opt_out_event.subject_key IS 'The key in its stored spelling: one spelling per person';
COMMENT ON COLUMN rlsguard.opt_out_event.version IS 'Counts the changes of one subject and purpose from 1';
COMMENT ON COLUMN rlsguard.opt_out_event.actor IS 'Who asked, as told by the recorder';
COMMENT ON COLUMN rlsguard.opt_out_event.recorded_by IS 'session_user: the login that recorded it';
COMMENT ON COLUMN rlsguard.opt_out_event.recorded_as IS 'The role the login had set, or the login itself';
COMMENT ON COLUMN rlsguard.opt_out_event.salt IS 'What personal values are hashed with for the payload; whoever lacks it cannot guess them';
COMMENT ON COLUMN rlsguard.opt_out_event.payload IS 'The exact bytes that leaf_hash covers: the entry as JSON, in UTC, personal values hashed';
COMMENT ON COLUMN rlsguard.opt_out_event.leaf_hash IS 'sha256(0x00 || payload), a leaf of RFC 6962, section 2.1';

-- A crash empties an unlogged table.
ALTER TABLE rlsguard.opt_out_event SET LOGGED;

CREATE OR REPLACE FUNCTION rlsguard.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: it only grows', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Record a new opt-out or opt-in instead.';
END
$$;
COMMENT ON FUNCTION rlsguard.refuse_change() IS 'Refuses what would rewrite history';
REVOKE ALL ON FUNCTION rlsguard.refuse_change() FROM PUBLIC;

CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.opt_out_event
    FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change();
ALTER TABLE rlsguard.opt_out_event ENABLE ALWAYS TRIGGER append_only;

ALTER TABLE rlsguard.opt_out_event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.opt_out_event;
CREATE POLICY guard ON rlsguard.opt_out_event USING (true);
GRANT SELECT ON rlsguard.opt_out_event TO rlsguard_auditor;

RESET ROLE;
