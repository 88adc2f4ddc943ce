-- How many entries are committed and not sealed.
SELECT count(*)
FROM (
    SELECT 'opt_out_event', e.id FROM rlsguard.opt_out_event AS e
    UNION ALL
    SELECT 'erasure', e.id FROM rlsguard.erasure AS e
    UNION ALL
    SELECT 'change_entry', e.id FROM rlsguard.change_entry AS e
    UNION ALL
    SELECT 'retention', e.id FROM rlsguard.retention AS e
) AS e (source, id)
WHERE NOT EXISTS (SELECT FROM rlsguard.log_leaf AS l WHERE l.source = e.source AND l.entry = e.id)
