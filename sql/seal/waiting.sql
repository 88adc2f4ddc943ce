-- How many entries are committed and not sealed.
SELECT count(*)
FROM rlsguard.opt_out_event AS e
WHERE NOT EXISTS (SELECT FROM rlsguard.log_leaf AS l WHERE l.source = 'opt_out_event' AND l.entry = e.id)
