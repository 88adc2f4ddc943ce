-- Columns that the guard's policies and views rest on, where the detail of an error names the one and the other. Both are
-- spelled here as the server has spelled them there, whatever its language.
SELECT n.nspname, c.relname, a.attname
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND a.attnum > 0
CROSS JOIN (SELECT %s::text) AS e (detail)
WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND (EXISTS (SELECT FROM pg_catalog.pg_policy AS p
               WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = d.objid
                 AND pg_catalog.strpos(e.detail, pg_catalog.pg_describe_object(d.classid, p.oid, 0)) > 0)
       OR EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w
                  WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid
                    AND pg_catalog.strpos(e.detail, pg_catalog.pg_describe_object(
                        'pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0)) > 0))
  AND (pg_catalog.strpos(e.detail, '"' || a.attname || '"') > 0
       OR pg_catalog.strpos(e.detail, pg_catalog.pg_describe_object(d.refclassid, c.oid, a.attnum)) > 0
       OR pg_catalog.strpos(e.detail, pg_catalog.pg_describe_object(d.refclassid, c.oid, 0)) > 0)
GROUP BY 1, 2, 3
