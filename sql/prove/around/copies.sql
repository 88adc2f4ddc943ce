-- Tables outside the map that have a foreign key to a subject's or a protected table, or a column called like a
-- subject's key and of its type. Given: tables of the map, protected tables, names and types of keys.
SELECT n.nspname, c.relname,
       coalesce((SELECT min(k.conname) FROM pg_catalog.pg_constraint AS k
                 WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = ANY (%(protected)s::oid[])), ''),
       coalesce((SELECT min(a.attname) FROM pg_catalog.pg_attribute AS a
                 JOIN unnest(%(names)s::text[], %(types)s::text[]) AS key (name, type)
                   ON key.name = a.attname AND key.type = format_type(a.atttypid, NULL)
                 WHERE a.attrelid = c.oid AND NOT a.attisdropped), ''),
       -- also by owning it: anybody can make a copy of his own
       ARRAY(SELECT pg_get_userbyid(c.relowner)::text
             UNION
             SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END
             FROM aclexplode(c.relacl) AS g WHERE g.privilege_type = 'SELECT')
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'rlsguard', 'rlsguard_views')
  AND NOT c.oid = ANY (%(mapped)s::oid[])
ORDER BY 1, 2
