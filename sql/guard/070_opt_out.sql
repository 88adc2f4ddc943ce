-- Recording opt-outs: the only way into the ledger and the state.
CALL rlsguard.take_back('{committed, event_payload, require_subject_kind, require_purposes, record_events, record_one, opt_out,
    opt_in, record_batch, check_batch, order_batch, history, refusable_purposes}');
SET LOCAL ROLE rlsguard_owner;

-- What a payload holds of a personal value: the value can be erased, and the payload still proves what it proved.
CREATE OR REPLACE FUNCTION rlsguard.committed(salt bytea, field text, value text) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE WHEN value IS NOT NULL THEN pg_catalog.jsonb_build_object('sha256', pg_catalog.encode(pg_catalog.sha256(
        pg_catalog.sha256(salt || pg_catalog.convert_to(field, 'UTF8')) || pg_catalog.convert_to(value, 'UTF8')), 'hex')) END;
END;
COMMENT ON FUNCTION rlsguard.committed(bytea, text, text) IS 'The salted hash that stands for a value; each field has a salt of its own';

-- The exact bytes that an entry's leaf hash covers. Text forms that settings could change are pinned.
CREATE OR REPLACE FUNCTION rlsguard.event_payload(event rlsguard.opt_out_event) RETURNS bytea
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.convert_to(pg_catalog.jsonb_build_object(
        'id', event.id,
        'subject_kind', event.subject_kind,
        'subject_key', rlsguard.committed(event.key_salt, 'subject_key', event.subject_key),
        'purpose', event.purpose,
        'action', event.action,
        'version', event.version,
        'recorded_at', pg_catalog.to_char(event.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'requested_at', pg_catalog.to_char(event.requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'actor', rlsguard.committed(event.salt, 'actor', event.actor),
        'recorded_by', event.recorded_by,
        'recorded_as', event.recorded_as,
        'client_address', rlsguard.committed(event.salt, 'client_address', pg_catalog.host(event.client_address)),
        'application_name', rlsguard.committed(event.salt, 'application_name', event.application_name),
        'transaction_id', event.transaction_id::text,
        'reason', rlsguard.committed(event.salt, 'reason', event.reason),
        'context', rlsguard.committed(event.salt, 'context', event.context::text),
        'previous_hash', pg_catalog.encode(event.previous_hash, 'hex')
    )::text, 'UTF8');
END;
COMMENT ON FUNCTION rlsguard.event_payload(rlsguard.opt_out_event) IS 'Canonical bytes of a ledger entry';

CREATE OR REPLACE FUNCTION rlsguard.require_subject_kind(subject_kind text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM rlsguard.subject AS s WHERE s.kind = subject_kind) THEN
        RAISE EXCEPTION 'there is no subject kind %', quote_nullable(subject_kind)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Known: ' || coalesce((SELECT string_agg(s.kind, ', ' ORDER BY s.kind) FROM rlsguard.subject AS s), 'none');
    END IF;
END
$$;
COMMENT ON FUNCTION rlsguard.require_subject_kind(text) IS 'Refuses a kind of subject that the data map does not name';

CREATE OR REPLACE FUNCTION rlsguard.require_purposes(purposes text[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text;
BEGIN
    SELECT t.purpose INTO wrong
    FROM unnest(purposes) AS t (purpose)
    WHERE NOT EXISTS (SELECT FROM rlsguard.purpose AS p WHERE p.purpose = t.purpose)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no purpose %', quote_nullable(wrong)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Known: ' || coalesce((SELECT string_agg(p.purpose, ', ' ORDER BY p.purpose) FROM rlsguard.purpose AS p WHERE p.opt_out), 'none');
    END IF;
    SELECT p.purpose INTO wrong FROM rlsguard.purpose AS p WHERE p.purpose = ANY (purposes) AND NOT p.opt_out LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'nobody may opt out of purpose %', quote_literal(wrong)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The data map says opt_out: false.';
    END IF;
END
$$;
COMMENT ON FUNCTION rlsguard.require_purposes(text[]) IS 'Refuses purposes that nobody may opt out of, and unknown ones';

-- Writes entries and state for parallel arrays. Keys and purposes are taken in one order, so that batches
-- wait for each other and never deadlock; each subject x purpose has a row lock of its own and no wider one.
CREATE OR REPLACE FUNCTION rlsguard.record_events(
    action text,
    subject_kind text,
    keys text[],
    purposes text[],
    actors text[],
    reasons text[],
    contexts jsonb[],
    requested timestamptz[]
) RETURNS SETOF rlsguard.opt_out_event
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'iso_8601'
SET extra_float_digits = 1
SET bytea_output = 'hex'
-- A plan made while the ledger was small is kept as it grows: then each entry would be looked up by reading them all.
SET enable_seqscan = off
AS $$
DECLARE
    key text;
    event rlsguard.opt_out_event;
BEGIN
    PERFORM rlsguard.require_subject_kind(subject_kind);
    PERFORM rlsguard.require_purposes(purposes);
    IF EXISTS (SELECT FROM unnest(keys) AS t (key) WHERE t.key IS NULL) THEN
        RAISE EXCEPTION 'the key of a % is missing', subject_kind USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF EXISTS (SELECT FROM unnest(actors) AS t (actor) WHERE btrim(coalesce(t.actor, '')) = '') THEN
        RAISE EXCEPTION 'the actor is missing: who asked?' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF EXISTS (SELECT FROM unnest(contexts) AS t (context) WHERE jsonb_typeof(t.context) IS DISTINCT FROM 'object') THEN
        RAISE EXCEPTION 'the context must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- What every reader of the ledger can take in, whatever it is written in.
    IF EXISTS (SELECT FROM unnest(contexts) AS t (context) WHERE octet_length(t.context::text) > 16384) THEN
        RAISE EXCEPTION 'the context is larger than 16 kB' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(contexts) AS t (context)
        WHERE t.context @? '$.**{33}' OR t.context @? '$.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))'
    ) THEN
        RAISE EXCEPTION 'the context is nested deeper than 32 levels, or holds a number beyond 1e300'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A minute's grace for clocks that differ.
    IF EXISTS (SELECT FROM unnest(requested) AS t (at) WHERE t.at > clock_timestamp() + interval '1 minute') THEN
        RAISE EXCEPTION 'requested_at lies in the future' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM unnest(requested) AS t (at) WHERE t.at < '1900-01-01') THEN
        RAISE EXCEPTION 'requested_at lies before 1900' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- Rows, not subscripts: the longer an array of texts, the longer it takes to find one of them.
    FOR key, event.purpose, event.actor, event.reason, event.context, event.requested_at IN EXECUTE format(
        'SELECT t.key, t.purpose, t.actor, t.reason, t.context, t.requested_at
         FROM rlsguard.%I($1, $2) WITH ORDINALITY AS o (line, place)
         JOIN ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)) WITH ORDINALITY
              AS t (key, purpose, actor, reason, context, requested_at, line) USING (line)
         ORDER BY o.place', 'order_' || subject_kind)
        USING keys, purposes, actors, reasons, contexts, requested
    LOOP
        EXECUTE format('SELECT c.subject_key, c.version FROM rlsguard.%I($1, $2, $3) AS c', 'change_' || subject_kind)
            INTO event.subject_key, event.version
            USING key, event.purpose, action = 'opt_out';
        event.id := nextval('rlsguard.opt_out_event_id_seq');
        event.subject_kind := record_events.subject_kind;
        event.action := action;
        event.recorded_at := clock_timestamp();
        event.requested_at := coalesce(event.requested_at, event.recorded_at);
        event.recorded_by := session_user::text;
        event.recorded_as := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
        event.client_address := inet_client_addr();
        event.application_name := current_setting('application_name');
        event.transaction_id := pg_current_xact_id();
        event.previous_hash := (
            SELECT e.leaf_hash
            FROM rlsguard.opt_out_event AS e
            WHERE e.subject_kind = event.subject_kind AND e.subject_key = event.subject_key
              AND e.purpose = event.purpose AND e.version = event.version - 1
        );
        -- two UUIDs: 244 random bits from the server, with no extension
        event.key_salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        event.salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        event.payload := rlsguard.event_payload(event);
        event.leaf_hash := sha256(decode('00', 'hex') || event.payload);
        INSERT INTO rlsguard.opt_out_event OVERRIDING SYSTEM VALUE SELECT event.*;
        -- Kind and version only: whoever listens learns that something changed, not about whom.
        PERFORM pg_notify('rlsguard_opt_out',
                          json_build_object('subject_kind', event.subject_kind, 'version', event.version)::text);
        RETURN NEXT event;
    END LOOP;
END
$$;
COMMENT ON FUNCTION rlsguard.record_events(text, text, text[], text[], text[], text[], jsonb[], timestamptz[])
    IS 'Writes ledger entries and state; called by opt_out(), opt_in() and record_batch()';

CREATE OR REPLACE FUNCTION rlsguard.record_one(
    action text, subject_kind text, key text, purposes text[], actor text, reason text, context jsonb, requested_at timestamptz
) RETURNS SETOF rlsguard.opt_out_event
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    wanted text[] := (SELECT array_agg(DISTINCT p.purpose) FROM unnest(purposes) AS p (purpose));
    size int := cardinality(wanted);
BEGIN
    IF coalesce(size, 0) = 0 THEN
        RAISE EXCEPTION 'name at least one purpose' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    RETURN QUERY SELECT * FROM rlsguard.record_events(
        action, subject_kind, array_fill(key, ARRAY[size]), wanted, array_fill(actor, ARRAY[size]),
        array_fill(reason, ARRAY[size]), array_fill(context, ARRAY[size]), array_fill(requested_at, ARRAY[size]));
END
$$;
COMMENT ON FUNCTION rlsguard.record_one(text, text, text, text[], text, text, jsonb, timestamptz)
    IS 'One subject, several purposes';

CREATE OR REPLACE FUNCTION rlsguard.opt_out(
    subject_kind text, key text, purposes text[], actor text, reason text,
    context jsonb DEFAULT '{}', requested_at timestamptz DEFAULT NULL
) RETURNS SETOF rlsguard.opt_out_event
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
BEGIN ATOMIC
    SELECT * FROM rlsguard.record_one('opt_out', subject_kind, key, purposes, actor, reason, context, requested_at);
END;
COMMENT ON FUNCTION rlsguard.opt_out(text, text, text[], text, text, jsonb, timestamptz)
    IS 'Records that a person opts out of purposes; in force from the commit. Returns the ledger entries.';

CREATE OR REPLACE FUNCTION rlsguard.opt_in(
    subject_kind text, key text, purposes text[], actor text, reason text,
    context jsonb DEFAULT '{}', requested_at timestamptz DEFAULT NULL
) RETURNS SETOF rlsguard.opt_out_event
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
BEGIN ATOMIC
    SELECT * FROM rlsguard.record_one('opt_in', subject_kind, key, purposes, actor, reason, context, requested_at);
END;
COMMENT ON FUNCTION rlsguard.opt_in(text, text, text[], text, text, jsonb, timestamptz)
    IS 'Records that a person takes opt-outs back; in force from the commit. Returns the ledger entries.';

CREATE OR REPLACE FUNCTION rlsguard.record_batch(
    action text, subject_kind text, keys text[], purposes text[], actors text[], reasons text[],
    contexts jsonb[], requested timestamptz[]
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
BEGIN
    IF action IS NULL OR action NOT IN ('opt_out', 'opt_in') THEN
        RAISE EXCEPTION 'the action is opt_out or opt_in, not %', quote_nullable(action)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF (cardinality(keys), cardinality(keys), cardinality(keys), cardinality(keys), cardinality(keys))
        IS DISTINCT FROM
        (cardinality(purposes), cardinality(actors), cardinality(reasons), cardinality(contexts), cardinality(requested))
    THEN
        RAISE EXCEPTION 'the arrays of a batch differ in length' USING ERRCODE = 'array_subscript_error';
    END IF;
    IF cardinality(keys) > 0
       AND (array_dims(keys), array_dims(keys), array_dims(keys), array_dims(keys), array_dims(keys), array_dims(keys))
           IS DISTINCT FROM
           (array_dims(purposes), array_dims(actors), array_dims(reasons), array_dims(contexts), array_dims(requested),
            format('[1:%s]', cardinality(keys)))
    THEN
        RAISE EXCEPTION 'the arrays of a batch must have one dimension and count from 1' USING ERRCODE = 'array_subscript_error';
    END IF;
    RETURN (SELECT count(*) FROM rlsguard.record_events(action, subject_kind, keys, purposes, actors, reasons, contexts, requested));
END
$$;
COMMENT ON FUNCTION rlsguard.record_batch(text, text, text[], text[], text[], text[], jsonb[], timestamptz[])
    IS 'Many opt-outs or opt-ins in one call, as parallel arrays; returns how many entries were written';

-- What is wrong with a batch, by line, before any of it is written.
CREATE OR REPLACE FUNCTION rlsguard.check_batch(subject_kind text, keys text[], purposes text[])
RETURNS TABLE (line bigint, problem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    key text;
    purpose text;
BEGIN
    PERFORM rlsguard.require_subject_kind(subject_kind);
    FOR line, key, purpose IN
        SELECT t.line, t.key, t.purpose
        FROM ROWS FROM (unnest(keys), unnest(purposes)) WITH ORDINALITY AS t (key, purpose, line)
    LOOP
        BEGIN
            PERFORM rlsguard.require_purposes(ARRAY[purpose]);
            EXECUTE format('SELECT rlsguard.%I($1)', 'key_' || subject_kind) USING key;
        EXCEPTION WHEN data_exception THEN
            problem := SQLERRM;
            RETURN NEXT;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION rlsguard.check_batch(text, text[], text[]) IS 'The lines of a batch that cannot be recorded, and why';

-- The order in which a batch must be recorded: callers that split one up keep to it.
CREATE OR REPLACE FUNCTION rlsguard.order_batch(subject_kind text, keys text[], purposes text[]) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
BEGIN
    PERFORM rlsguard.require_subject_kind(subject_kind);
    RETURN QUERY EXECUTE format('SELECT o.line FROM rlsguard.%I($1, $2) AS o', 'order_' || subject_kind)
        USING keys, purposes;
END
$$;
COMMENT ON FUNCTION rlsguard.order_batch(text, text[], text[]) IS 'Line numbers of a batch in the one order that cannot deadlock';

-- Answers about one subject. The key is read as the subject's own type, so any spelling of it will do.
CREATE OR REPLACE FUNCTION rlsguard.history(subject_kind text, key text) RETURNS SETOF rlsguard.opt_out_event
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
    stored text[];
BEGIN
    PERFORM rlsguard.require_subject_kind(subject_kind);
    EXECUTE format('SELECT rlsguard.%I($1)', 'spellings_' || subject_kind) INTO stored USING key;
    RETURN QUERY
    SELECT e.* FROM rlsguard.opt_out_event AS e
    WHERE e.subject_kind = history.subject_kind AND e.subject_key = ANY (stored)
    ORDER BY e.id;
END
$$;
COMMENT ON FUNCTION rlsguard.history(text, text) IS 'Every ledger entry of one subject, oldest first';

-- An opt-out of any other purpose is on record only: the data map no longer has it, or leaves people no choice.
CREATE OR REPLACE FUNCTION rlsguard.refusable_purposes() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
BEGIN ATOMIC
    SELECT p.purpose FROM rlsguard.purpose AS p WHERE p.opt_out ORDER BY p.purpose;
END;
COMMENT ON FUNCTION rlsguard.refusable_purposes() IS 'Purposes that people may opt out of';

REVOKE ALL ON FUNCTION
    rlsguard.require_subject_kind(text),
    rlsguard.require_purposes(text[]),
    rlsguard.check_batch(text, text[], text[]),
    rlsguard.order_batch(text, text[], text[]),
    rlsguard.committed(bytea, text, text),
    rlsguard.event_payload(rlsguard.opt_out_event),
    rlsguard.record_events(text, text, text[], text[], text[], text[], jsonb[], timestamptz[]),
    rlsguard.record_one(text, text, text, text[], text, text, jsonb, timestamptz),
    rlsguard.opt_out(text, text, text[], text, text, jsonb, timestamptz),
    rlsguard.opt_in(text, text, text[], text, text, jsonb, timestamptz),
    rlsguard.record_batch(text, text, text[], text[], text[], text[], jsonb[], timestamptz[]),
    rlsguard.history(text, text),
    rlsguard.refusable_purposes()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    rlsguard.opt_out(text, text, text[], text, text, jsonb, timestamptz),
    rlsguard.opt_in(text, text, text[], text, text, jsonb, timestamptz),
    rlsguard.record_batch(text, text, text[], text[], text[], text[], jsonb[], timestamptz[]),
    rlsguard.check_batch(text, text[], text[]),
    rlsguard.order_batch(text, text[], text[]),
    rlsguard.history(text, text),
    rlsguard.refusable_purposes()
TO rlsguard_recorder;
GRANT EXECUTE ON FUNCTION
    rlsguard.history(text, text),
    rlsguard.refusable_purposes(),
    rlsguard.committed(bytea, text, text),
    rlsguard.event_payload(rlsguard.opt_out_event)
TO rlsguard_auditor;

RESET ROLE;
