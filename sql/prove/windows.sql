-- Views and materialised views that read some tables, directly or through others. Given: tables.
WITH RECURSIVE reads (reader, read) AS (
    SELECT DISTINCT w.ev_class, d.refobjid
    FROM pg_catalog.pg_rewrite AS w
    JOIN pg_catalog.pg_depend AS d
      ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_class AS c ON c.oid = w.ev_class AND c.relkind IN ('v', 'm')
    WHERE d.refobjid <> w.ev_class
),
above (base, oid) AS (
    SELECT t.oid, t.oid FROM unnest(%s::oid[]) AS t (oid)
    UNION
    SELECT a.base, r.reader FROM above AS a JOIN reads AS r ON r.read = a.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind = 'm',
       array_agg(DISTINCT a.base),
       coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
                 WHERE o.option_name = 'security_invoker'), false),
       pg_get_userbyid(c.relowner),
       ARRAY(SELECT r.read FROM reads AS r WHERE r.reader = c.oid),
       -- a rule's text has no terminator that a parser would trip over
       rtrim(pg_get_viewdef(c.oid), '; '),
       ARRAY(SELECT f.attname FROM pg_catalog.pg_attribute AS f WHERE f.attrelid = c.oid AND f.attnum > 0 ORDER BY f.attnum),
       ARRAY(SELECT DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END
             FROM (SELECT c.relacl UNION ALL
                   SELECT f.attacl FROM pg_catalog.pg_attribute AS f WHERE f.attrelid = c.oid AND f.attnum > 0) AS l (acl)
             CROSS JOIN aclexplode(l.acl) AS g
             WHERE g.privilege_type = 'SELECT' AND g.grantee <> c.relowner)
FROM above AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.oid AND c.relkind IN ('v', 'm')
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname NOT IN ('rlsguard', 'rlsguard_views')
GROUP BY c.oid, n.nspname, c.relname, c.relkind, c.reloptions, c.relowner, c.relacl
ORDER BY n.nspname, c.relname
