-- Erasing a person from the ledger and from row changes. What stays is what was done, when and by whom, for an unknown person.
CALL rlsguard.take_back('{erase, restate}');
SET LOCAL ROLE rlsguard_owner;

-- Of an entry of several rows, those that stay are recorded once more, and vouched for from then on.
CREATE OR REPLACE FUNCTION rlsguard.restate(entry bigint, without bigint[], erasure bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    of_entry rlsguard.change_entry;
    rest text[];
    lines bigint[];
    new_id bigint;
    new_salt bytea := sha256(uuid_send(gen_random_uuid()));
    new_content text;
    told bytea;
BEGIN
    SELECT * INTO STRICT of_entry FROM rlsguard.change_entry AS e WHERE e.id = entry;
    SELECT array_agg(coalesce('[' || kept.its_rows || ']', '') ORDER BY side), array_agg(kept.number ORDER BY side)
    INTO rest, lines
    FROM generate_series(2, 3) AS side
    CROSS JOIN LATERAL (
        SELECT string_agg(r.its_row::text, ',' ORDER BY r.line), count(*)
        FROM json_array_elements(nullif(split_part(of_entry.content, E'\n', side), '')::json) WITH ORDINALITY AS r (its_row, line)
        WHERE r.line <> ALL (without)
    ) AS kept (its_rows, number);
    IF lines = '{0, 0}' THEN
        RETURN NULL;
    END IF;
    new_id := nextval('rlsguard.change_entry_id_seq');
    new_content := concat_ws(E'\n', split_part(of_entry.content, E'\n', 1), rest[1], rest[2]);
    told := convert_to((convert_from(of_entry.payload, 'UTF8')::jsonb || jsonb_build_object(
        'id', new_id,
        'rows', greatest(lines[1], lines[2]),
        'transaction_id', pg_current_xact_id()::text,
        'restates', entry,
        'erasure', erasure,
        'content', jsonb_build_object('sha256', encode(sha256(new_salt || convert_to(new_content, 'UTF8')), 'hex'))
    ))::text, 'UTF8');
    INSERT INTO rlsguard.change_entry OVERRIDING SYSTEM VALUE
    VALUES (new_id, pg_current_xact_id(), of_entry.changed_at, told, new_content, new_salt, sha256(E'\\x00'::bytea || told));
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION rlsguard.restate(bigint, bigint[], bigint) IS 'Records the rows of an entry of rlsguard.change_entry anew, without some; returns the new entry';

-- The rows of a person are told by their entries and lines, as rlsguard.change_event has them: only the data map knows them.
CREATE OR REPLACE FUNCTION rlsguard.erase(
    subject_kind text, key text, with_key boolean, reason text, changes bigint[], lines bigint[], OUT entries int, OUT changed_rows int
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
AS $$
DECLARE
    stored text[];
    erased bigint[];
    changed bigint[] := ARRAY(SELECT DISTINCT c FROM unnest(changes) AS c ORDER BY c);
    record_id bigint := nextval('rlsguard.erasure_id_seq');
    told bytea;
BEGIN
    PERFORM rlsguard.require_subject_kind(subject_kind);
    IF btrim(coalesce(reason, '')) = '' THEN
        RAISE EXCEPTION 'the reason is missing' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF cardinality(changes) IS DISTINCT FROM cardinality(lines) THEN
        RAISE EXCEPTION 'each row has an entry and a line' USING ERRCODE = 'array_subscript_error';
    END IF;
    EXECUTE format('SELECT rlsguard.%I($1)', 'spellings_' || subject_kind) INTO stored USING key;
    erased := ARRAY(
        SELECT e.id FROM rlsguard.opt_out_event AS e
        WHERE e.subject_kind = erase.subject_kind AND e.subject_key = ANY (stored) AND (e.salt IS NOT NULL OR with_key)
        ORDER BY e.id);
    entries := cardinality(erased);
    changed_rows := cardinality(changes);
    IF entries = 0 AND changed_rows = 0 THEN
        RETURN;
    END IF;
    told := convert_to(jsonb_build_object(
        'erasure', record_id,
        'subject_kind', subject_kind,
        'entries', erased,
        'changes', changed,
        'rows', changed_rows,
        'with_key', with_key,
        'reason', reason,
        'erased_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'erased_by', session_user,
        'transaction_id', pg_current_xact_id()::text)::text, 'UTF8');
    INSERT INTO rlsguard.erasure (id, subject_kind, entries, changes, with_key, payload, leaf_hash) OVERRIDING SYSTEM VALUE
    VALUES (record_id, subject_kind, erased, changed, with_key, told, sha256(E'\\x00'::bytea || told));
    IF with_key THEN
        EXECUTE format('DELETE FROM rlsguard.%I AS s WHERE format(''%%s'', s.subject_key) = ANY ($1)', 'opt_out_' || subject_kind)
            USING stored;
    END IF;
    UPDATE rlsguard.opt_out_event AS e
    SET actor = NULL, client_address = NULL, application_name = NULL, reason = NULL, context = NULL, salt = NULL,
        subject_key = CASE WHEN NOT with_key THEN e.subject_key END,
        key_salt = CASE WHEN NOT with_key THEN e.key_salt END
    WHERE e.id = ANY (erased);
    PERFORM rlsguard.restate(c.change, c.without, record_id)
    FROM (SELECT r.change, array_agg(r.line) FROM unnest(changes, lines) AS r (change, line) GROUP BY r.change ORDER BY 1)
        AS c (change, without);
    UPDATE rlsguard.change_entry AS c SET content = NULL, salt = NULL WHERE c.id = ANY (changed);
END
$$;
COMMENT ON FUNCTION rlsguard.erase(text, text, boolean, text, bigint[], bigint[])
    IS 'Takes the values of a person out of the ledger and of row changes, and records that; returns of how many entries and rows';
REVOKE ALL ON FUNCTION rlsguard.restate(bigint, bigint[], bigint), rlsguard.erase(text, text, boolean, text, bigint[], bigint[]) FROM PUBLIC;

RESET ROLE;
