-- Retentions of row changes, in the order of the log; those that are not sealed yet come last.
SELECT l.epoch, l.index, coalesce(l.hash, r.leaf_hash) AS hash, r.payload
FROM rlsguard.retention AS r
LEFT JOIN rlsguard.log_leaf AS l ON l.source = 'retention' AND l.entry = r.id
ORDER BY l.epoch, l.index
