-- Which of these tables the role of object auditing cannot read a column of, so that reads of them are not logged.
SELECT c.oid
FROM pg_class AS c
WHERE c.oid = ANY (%s::oid[])
  AND NOT has_any_column_privilege(%s::name, c.oid, 'SELECT')
