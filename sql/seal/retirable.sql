-- Row changes that are older than the time given, and how many of them are sealed.
SELECT count(l.entry), min(c.changed_at) FILTER (WHERE l.entry IS NOT NULL), max(c.changed_at) FILTER (WHERE l.entry IS NOT NULL),
       count(*) - count(l.entry)
FROM rlsguard.change_entry AS c
LEFT JOIN rlsguard.log_leaf AS l ON l.source = 'change_entry' AND l.entry = c.id
WHERE c.changed_at < %s
