-- Entries of the ledger that are not what was recorded, or that follow one that is gone; and the first of these.
WITH entry AS (
    SELECT e.*, lag(e.version) OVER earlier AS version_before, lag(e.leaf_hash) OVER earlier AS hash_before
    FROM rlsguard.opt_out_event AS e
    WINDOW earlier AS (PARTITION BY e.subject_kind, e.subject_key, e.purpose ORDER BY e.version)
), erased AS (
    SELECT unnest(x.entries) AS id, x.with_key FROM rlsguard.erasure AS x
)
SELECT count(*), min(e.id)
FROM entry AS e
CROSS JOIN LATERAL (SELECT convert_from(e.payload, 'UTF8')::jsonb) AS p (said)
WHERE e.leaf_hash IS DISTINCT FROM sha256('\x00'::bytea || e.payload)
   OR (e.subject_key IS NOT NULL
       AND e.previous_hash IS DISTINCT FROM CASE WHEN e.version_before = e.version - 1 THEN e.hash_before END)
   OR NOT p.said @> jsonb_build_object('id', e.id, 'subject_kind', e.subject_kind, 'purpose', e.purpose,
                                       'action', e.action, 'version', e.version)
   -- what the payload holds as a salted hash, unless it was erased
   OR (e.salt IS NULL AND e.id NOT IN (SELECT x.id FROM erased AS x))
   OR (e.key_salt IS NULL AND e.id NOT IN (SELECT x.id FROM erased AS x WHERE x.with_key))
   OR EXISTS (
       SELECT FROM (VALUES ('subject_key', e.key_salt, e.subject_key), ('actor', e.salt, e.actor),
                           ('reason', e.salt, e.reason), ('context', e.salt, e.context::text)) AS f (field, salt, value)
       WHERE f.salt IS NOT NULL
         AND p.said -> f.field ->> 'sha256' IS DISTINCT FROM
             encode(sha256(sha256(f.salt || convert_to(f.field, 'UTF8')) || convert_to(f.value, 'UTF8')), 'hex'))
