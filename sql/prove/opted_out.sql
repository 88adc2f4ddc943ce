-- People of one kind who opted out lately and have not opted in again, and from what. Given: kind.
SELECT e.subject_key, array_agg(e.purpose)
FROM (
    SELECT * FROM rlsguard.opt_out_event AS e WHERE e.subject_kind = %s ORDER BY e.id DESC LIMIT 1000
) AS e
WHERE e.action = 'opt_out' AND e.subject_key IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM rlsguard.opt_out_event AS later
      WHERE (later.subject_kind, later.subject_key, later.purpose) = (e.subject_kind, e.subject_key, e.purpose)
        AND later.version > e.version)
GROUP BY e.subject_key
ORDER BY max(e.id) DESC
