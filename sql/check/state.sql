-- Opt-outs in force by the ledger and not by the state, and the other way about; and the newest entry of the former.
WITH ledger AS (
    SELECT DISTINCT ON (k.key, e.purpose) k.key, e.purpose, e.action = 'opt_out' AS in_force, e.id
    FROM rlsguard.opt_out_event AS e
    CROSS JOIN LATERAL (SELECT {key}) AS k (key)
    WHERE e.subject_kind = {kind}
    ORDER BY k.key, e.purpose, e.id DESC
), state AS (
    SELECT {stored} AS key, s.purpose
    FROM {state} AS s
    WHERE s.in_force
), missing AS (
    SELECT l.id FROM ledger AS l
    WHERE l.in_force AND NOT EXISTS (SELECT FROM state AS s WHERE s.key {equal} l.key AND s.purpose = l.purpose)
), unasked AS (
    SELECT FROM state AS s
    WHERE NOT EXISTS (SELECT FROM ledger AS l WHERE s.key {equal} l.key AND s.purpose = l.purpose AND l.in_force)
)
SELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM unasked), (SELECT max(id) FROM missing)
