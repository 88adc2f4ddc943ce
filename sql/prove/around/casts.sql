-- Casts from text, made by somebody, to some of the server's own types. Given: types.
SELECT format_type(c.casttarget, NULL), c.castfunc::regprocedure::text
FROM pg_catalog.pg_cast AS c
WHERE c.castsource = 'text'::regtype AND format_type(c.casttarget, NULL) = ANY (%s::text[])
  AND c.oid >= 16384 AND c.castfunc <> 0
ORDER BY 1
