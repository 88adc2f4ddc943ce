-- Rules, other than those of views, on some tables or with actions that read them. Given: tables.
SELECT r.rulename, n.nspname, c.relname, array_agg(DISTINCT t.oid)
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_depend AS d
  ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
JOIN unnest(%s::oid[]) AS t (oid) ON t.oid IN (d.refobjid, r.ev_class)
WHERE r.ev_type <> '1' AND r.ev_enabled <> 'D'
  -- NOTHING hands out nothing
  AND pg_get_ruledef(r.oid) !~ 'DO (INSTEAD |ALSO )?NOTHING;$'
GROUP BY 1, 2, 3
ORDER BY 2, 3, 1
