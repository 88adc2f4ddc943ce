-- Entries of the ledger that are not what was recorded, or that follow one that is gone; and the first of these.
WITH entry AS (
    SELECT e.*, lag(e.version) OVER earlier AS version_before, lag(e.leaf_hash) OVER earlier AS hash_before
    FROM rlsguard.opt_out_event AS e
    WINDOW earlier AS (PARTITION BY e.subject_kind, e.subject_key, e.purpose ORDER BY e.version)
)
SELECT count(*), min(e.id)
FROM entry AS e
CROSS JOIN LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb) AS p (said)
WHERE e.leaf_hash IS DISTINCT FROM sha256('\x00'::bytea || e.payload)
   OR e.previous_hash IS DISTINCT FROM CASE WHEN e.version_before = e.version - 1 THEN e.hash_before END
   OR NOT p.said @> jsonb_build_object('id', e.id, 'subject_kind', e.subject_kind, 'purpose', e.purpose,
                                       'action', e.action, 'version', e.version)
   -- what the payload holds as a salted hash
   OR EXISTS (
       SELECT FROM (VALUES ('subject_key', e.subject_key), ('actor', e.actor), ('reason', e.reason), ('context', e.context::text))
           AS f (field, value)
       WHERE p.said -> f.field ->> 'sha256' IS DISTINCT FROM
             encode(sha256(sha256(e.salt || convert_to(f.field, 'UTF8')) || convert_to(f.value, 'UTF8')), 'hex'))
