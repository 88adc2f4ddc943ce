-- Opt-outs in force by the ledger and not by the state, and the other way about; the newest entry of the former; and
-- how many had more changes than the ledger has entries of.
WITH ledger AS (
    SELECT DISTINCT ON (k.key, e.purpose) k.key, e.purpose, e.action = 'opt_out' AS in_force, e.id, e.version
    FROM rlsguard.opt_out_event AS e
    CROSS JOIN LATERAL (SELECT {key}) AS k (key)
    WHERE e.subject_kind = {kind} AND e.subject_key IS NOT NULL
    ORDER BY k.key, e.purpose, e.id DESC
), state AS (
    SELECT {stored} AS key, s.purpose, s.in_force, s.version
    FROM {state} AS s
), missing AS (
    SELECT l.id FROM ledger AS l
    WHERE l.in_force AND NOT EXISTS (SELECT FROM state AS s WHERE s.key {equal} l.key AND s.purpose = l.purpose AND s.in_force)
), unasked AS (
    SELECT FROM state AS s
    WHERE s.in_force
      AND NOT EXISTS (SELECT FROM ledger AS l WHERE s.key {equal} l.key AND s.purpose = l.purpose AND l.in_force)
), ahead AS (
    SELECT FROM state AS s
    WHERE s.version > 0
      AND NOT EXISTS (SELECT FROM ledger AS l WHERE s.key {equal} l.key AND s.purpose = l.purpose AND l.version >= s.version)
)
SELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM unasked), (SELECT max(id) FROM missing),
       (SELECT count(*) FROM ahead)
