-- Entries that the last seal would have sealed, had they been there. Given: how many to name.
SELECT 'opt_out_event', e.id
FROM rlsguard.opt_out_event AS e
CROSS JOIN (
    SELECT s.snapshot FROM rlsguard.log_seal AS s ORDER BY s.epoch DESC, s.size DESC LIMIT 1
) AS last
WHERE pg_visible_in_snapshot(e.transaction_id, last.snapshot)
  AND NOT EXISTS (SELECT FROM rlsguard.log_leaf AS l WHERE l.source = 'opt_out_event' AND l.entry = e.id)
ORDER BY e.id
LIMIT %s
