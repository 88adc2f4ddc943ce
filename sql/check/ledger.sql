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
   OR NOT p.said @> jsonb_build_object(
          'id', e.id, 'subject_kind', e.subject_kind, 'subject_key', e.subject_key, 'purpose', e.purpose,
          'action', e.action, 'version', e.version, 'actor', e.actor, 'reason', e.reason, 'context', e.context)
