-- Functions that the server was made with, as it spells them; aggregates cannot be spelled.
SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid)
FROM pg_proc AS p
WHERE p.oid < 10000 AND p.prokind <> 'a'
