-- Which of these schemas the connected role cannot open to the guard.
SELECT n.nspname AS schema
FROM pg_namespace AS n
WHERE n.nspname = ANY (%s::text[])
  AND NOT has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION')
  AND NOT coalesce(has_schema_privilege(to_regrole('rlsguard_owner'), n.oid, 'USAGE'), false)
ORDER BY 1
