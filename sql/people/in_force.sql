-- The last word that the ledger holds about people of one kind, by purpose. Told by the ledger, not by the state that
-- policies ask: whoever checks the one by the other must not ask the other.
SELECT DISTINCT ON (e.subject_key, e.purpose)
       e.subject_key, e.purpose, e.action = 'opt_out' AS opted_out, e.id, e.version, e.recorded_at, e.actor, e.recorded_by
FROM rlsguard.opt_out_event AS e
WHERE e.subject_kind = %s AND e.subject_key = ANY (%s)
ORDER BY e.subject_key, e.purpose, e.version DESC
