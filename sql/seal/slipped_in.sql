-- Entries that the last seal would have sealed, had they been there. Given: how many to name.
SELECT e.source, e.id
FROM (
    SELECT 'opt_out_event', e.id, e.transaction_id FROM rlsguard.opt_out_event AS e
    UNION ALL
    SELECT 'erasure', e.id, e.transaction_id FROM rlsguard.erasure AS e
) AS e (source, id, transaction_id)
CROSS JOIN (
    SELECT s.snapshot FROM rlsguard.log_seal AS s ORDER BY s.epoch DESC, s.size DESC LIMIT 1
) AS last
WHERE pg_visible_in_snapshot(e.transaction_id, last.snapshot)
  AND NOT EXISTS (SELECT FROM rlsguard.log_leaf AS l WHERE l.source = e.source AND l.entry = e.id)
ORDER BY 1, 2
LIMIT %s
