-- What functions that the server was made with do, and the statement that makes each; aggregates cannot be spelled.
-- Costs and the like are left out: somebody may have had reasons.
SELECT p.oid::regprocedure::text,
       concat_ws(E'\n', l.lanname, p.prosrc, p.probin, pg_get_function_sqlbody(p.oid),
                 CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END,
                 CASE WHEN p.proleakproof THEN 'LEAKPROOF' END,
                 CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END),
       pg_get_functiondef(p.oid)
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.oid < 10000 AND p.prokind <> 'a'
