-- Types that extensions bring.
SELECT format_type(t.oid, NULL), e.extname, n.nspname
FROM pg_depend AS d
JOIN pg_type AS t ON t.oid = d.objid
JOIN pg_extension AS e ON e.oid = d.refobjid
JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
