-- What functions that the server was made with do; aggregates cannot be spelled.
-- Costs and the like are left out: somebody may have had reasons.
-- The server's own spelling of a signature is slow before PostgreSQL 16, for it looks for functions of the same name.
SELECT p.oid, format('%I(%s)', p.proname, replace(oidvectortypes(p.proargtypes), ', ', ',')),
       concat_ws(E'\n', l.lanname, p.prosrc, p.probin, pg_get_function_sqlbody(p.oid),
                 CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END,
                 CASE WHEN p.proleakproof THEN 'LEAKPROOF' END,
                 CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END)
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.oid < 10000 AND p.prokind <> 'a'
