-- Which of these tables the connected role neither owns nor inherits ownership of.
SELECT c.oid, pg_get_userbyid(c.relowner) AS owner
FROM pg_class AS c
WHERE c.oid = ANY (%s::oid[]) AND NOT pg_has_role(c.relowner, 'USAGE')
ORDER BY c.oid::regclass::text
