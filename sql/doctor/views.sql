-- Views that show protected tables past their policies, and materialised views that keep copies of them, where
-- anybody but the owner may read.
WITH RECURSIVE protected (oid) AS (
    SELECT unnest(%s::oid[])
),
view AS (
    SELECT c.oid, c.relkind, c.relnamespace, c.relname, c.relowner,
           coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o
                     WHERE o.option_name = 'security_invoker'), false) AS as_invoker,
           ARRAY(SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END
                 FROM (SELECT c.relacl UNION ALL
                       SELECT f.attacl FROM pg_attribute AS f WHERE f.attrelid = c.oid AND f.attnum > 0) AS l (acl)
                 CROSS JOIN aclexplode(l.acl) AS a
                 WHERE a.privilege_type = 'SELECT' AND a.grantee <> c.relowner) AS readers
    FROM pg_class AS c
    WHERE c.relkind IN ('v', 'm')
),
reads (reader, read) AS (
    SELECT DISTINCT w.ev_class, d.refobjid
    FROM pg_rewrite AS w
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    WHERE d.refobjid <> w.ev_class
),
behind (oid) AS (
    SELECT p.oid FROM protected AS p
    UNION
    SELECT r.reader FROM behind AS b JOIN reads AS r ON r.read = b.oid
)
SELECT n.nspname AS schema, v.relname AS name, v.relkind = 'm' AS copies, o.rolname AS owner,
       o.rolsuper OR o.rolbypassrls AS unheld, v.readers
FROM view AS v
JOIN pg_namespace AS n ON n.oid = v.relnamespace AND n.nspname NOT IN ('rlsguard', 'rlsguard_views')
JOIN pg_roles AS o ON o.oid = v.relowner
WHERE v.readers <> '{}'
  AND CASE v.relkind
          WHEN 'm' THEN v.oid IN (SELECT b.oid FROM behind AS b)
          -- A security_invoker view below another view still reads as whoever asks.
          ELSE NOT v.as_invoker
               AND (o.rolsuper OR o.rolbypassrls)
               AND v.oid IN (SELECT r.reader FROM reads AS r JOIN protected AS p ON p.oid = r.read)
      END
ORDER BY 1, 2
