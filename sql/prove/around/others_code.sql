-- Functions and domains of other roles that some tables run on their values. Given: tables.
WITH part (tab, classid, objid) AS (
    SELECT i.indrelid, 'pg_catalog.pg_class'::regclass::oid, i.indexrelid FROM pg_catalog.pg_index AS i
    UNION ALL SELECT k.conrelid, 'pg_catalog.pg_constraint'::regclass, k.oid FROM pg_catalog.pg_constraint AS k
    UNION ALL SELECT p.polrelid, 'pg_catalog.pg_policy'::regclass, p.oid FROM pg_catalog.pg_policy AS p
    UNION ALL SELECT t.tgrelid, 'pg_catalog.pg_trigger'::regclass, t.oid FROM pg_catalog.pg_trigger AS t
    UNION ALL SELECT d.adrelid, 'pg_catalog.pg_attrdef'::regclass, d.oid FROM pg_catalog.pg_attrdef AS d
),
code (tab, kind, name, owner) AS (
    SELECT part.tab, 'function', p.oid::regprocedure::text, p.proowner
    FROM part
    JOIN pg_catalog.pg_depend AS d
      ON d.classid = part.classid AND d.objid = part.objid AND d.refclassid = 'pg_catalog.pg_proc'::regclass
    JOIN pg_catalog.pg_proc AS p ON p.oid = d.refobjid
    UNION
    SELECT a.attrelid, 'domain', t.oid::regtype::text, t.typowner
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typtype = 'd'
    WHERE NOT a.attisdropped
)
SELECT code.kind, code.name, o.rolname, array_agg(DISTINCT c.oid), min(pg_get_userbyid(c.relowner)::text)
FROM code
JOIN pg_catalog.pg_class AS c ON c.oid = code.tab
JOIN pg_catalog.pg_roles AS o ON o.oid = code.owner
WHERE c.oid = ANY (%s::oid[])
  AND code.owner <> c.relowner AND NOT o.rolsuper AND o.rolname !~ '^rlsguard_'
GROUP BY 1, 2, 3
ORDER BY 1, 2
