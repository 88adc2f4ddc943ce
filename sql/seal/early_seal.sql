-- A seal whose snapshot has seen transactions that are still to come: it makes the next one pass over entries.
SELECT s.epoch, s.size
FROM rlsguard.log_seal AS s
JOIN rlsguard.log_epoch AS t ON t.epoch = s.epoch
CROSS JOIN pg_control_system() AS c
JOIN pg_database AS d ON d.datname = current_database()
WHERE t.place = c.system_identifier || '/' || d.oid
  AND pg_snapshot_xmax(s.snapshot) > pg_snapshot_xmax(pg_current_snapshot())
ORDER BY s.epoch, s.size
LIMIT %s
