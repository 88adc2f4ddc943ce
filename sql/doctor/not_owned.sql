-- Which of these tables the connected role neither owns nor inherits ownership of, and whose schema it cannot open
-- to the guard.
SELECT c.oid,
       NOT pg_has_role(c.relowner, 'USAGE') AS not_owned,
       NOT has_schema_privilege(c.relnamespace, 'USAGE WITH GRANT OPTION')
           AND NOT coalesce(has_schema_privilege(to_regrole('rlsguard_owner'), c.relnamespace, 'USAGE'), false) AS closed,
       pg_get_userbyid(c.relowner) AS owner
FROM pg_class AS c
WHERE c.oid = ANY (%s::oid[])
ORDER BY c.oid::regclass::text
