-- Erasing a person from the ledger. What stays is what was done, when and by whom, for an unknown person.
CALL rlsguard.take_back('{erase}');
SET LOCAL ROLE rlsguard_owner;

CREATE OR REPLACE FUNCTION rlsguard.erase(subject_kind text, key text, with_key boolean, reason text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    stored text[];
    erased bigint[];
    record_id bigint := nextval('rlsguard.erasure_id_seq');
    told bytea;
BEGIN
    PERFORM rlsguard.require_subject_kind(subject_kind);
    IF btrim(coalesce(reason, '')) = '' THEN
        RAISE EXCEPTION 'the reason is missing' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    EXECUTE format('SELECT rlsguard.%I($1)', 'spellings_' || subject_kind) INTO stored USING key;
    SELECT array_agg(e.id ORDER BY e.id) INTO erased
    FROM rlsguard.opt_out_event AS e
    WHERE e.subject_kind = erase.subject_kind AND e.subject_key = ANY (stored) AND (e.salt IS NOT NULL OR with_key);
    IF erased IS NULL THEN
        RETURN 0;
    END IF;
    told := convert_to(jsonb_build_object(
        'erasure', record_id,
        'subject_kind', subject_kind,
        'entries', erased,
        'with_key', with_key,
        'reason', reason,
        'erased_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'erased_by', session_user,
        'transaction_id', pg_current_xact_id()::text)::text, 'UTF8');
    INSERT INTO rlsguard.erasure (id, subject_kind, entries, with_key, payload, leaf_hash) OVERRIDING SYSTEM VALUE
    VALUES (record_id, subject_kind, erased, with_key, told, sha256('\x00'::bytea || told));
    IF with_key THEN
        EXECUTE format('DELETE FROM rlsguard.%I AS s WHERE format(''%%s'', s.subject_key) = ANY ($1)', 'opt_out_' || subject_kind)
            USING stored;
    END IF;
    UPDATE rlsguard.opt_out_event AS e
    SET actor = NULL, client_address = NULL, application_name = NULL, reason = NULL, context = NULL, salt = NULL,
        subject_key = CASE WHEN NOT with_key THEN e.subject_key END,
        key_salt = CASE WHEN NOT with_key THEN e.key_salt END
    WHERE e.id = ANY (erased);
    RETURN cardinality(erased);
END
$$;
COMMENT ON FUNCTION rlsguard.erase(text, text, boolean, text)
    IS 'Takes the personal values of a person out of the ledger, and records that; returns of how many entries';
REVOKE ALL ON FUNCTION rlsguard.erase(text, text, boolean, text) FROM PUBLIC;

RESET ROLE;
