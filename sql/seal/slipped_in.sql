-- Entries that the last seal would have sealed, had they been there. Given: how many to name. In a copy transactions are
-- counted anew, and this cannot be told.
SELECT e.source, e.id
FROM (
    SELECT 'opt_out_event', e.id, e.transaction_id FROM rlsguard.opt_out_event AS e
    UNION ALL
    SELECT 'erasure', e.id, e.transaction_id FROM rlsguard.erasure AS e
    UNION ALL
    SELECT 'change_entry', e.id, e.transaction_id FROM rlsguard.change_entry AS e
    UNION ALL
    SELECT 'retention', e.id, e.transaction_id FROM rlsguard.retention AS e
) AS e (source, id, transaction_id)
CROSS JOIN (
    SELECT s.snapshot, s.transaction_id
    FROM rlsguard.log_seal AS s
    JOIN rlsguard.log_epoch AS t ON t.epoch = s.epoch
    CROSS JOIN pg_control_system() AS c
    JOIN pg_database AS d ON d.datname = current_database()
    WHERE t.epoch = (SELECT max(m.epoch) FROM rlsguard.log_epoch AS m) AND t.place = c.system_identifier || '/' || d.oid
    ORDER BY s.size DESC
    LIMIT 1
) AS last
WHERE pg_visible_in_snapshot(e.transaction_id, last.snapshot)
  AND e.transaction_id <> last.transaction_id
  AND NOT EXISTS (SELECT FROM rlsguard.log_leaf AS l WHERE l.source = e.source AND l.entry = e.id)
ORDER BY 1, 2
LIMIT %s
