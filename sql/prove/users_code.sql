-- What may run code of users' when a relation is read: policies of others, and expressions and types that use functions.
-- The planner works out what is constant in the expressions of indexes, statistics, checks and partition keys before it
-- reads a row. Given: relations, the guard's policies.
WITH RECURSIVE edge (classid, objid, refclassid, refobjid) AS (
    SELECT d.classid, d.objid, d.refclassid, d.refobjid
    FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
                           'pg_catalog.pg_type'::regclass, 'pg_catalog.pg_class'::regclass)
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, k.contypid, 'pg_catalog.pg_constraint'::regclass, k.oid
    FROM pg_catalog.pg_constraint AS k WHERE k.contypid <> 0
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, side.type, 'pg_catalog.pg_proc'::regclass, c.castfunc
    FROM pg_catalog.pg_cast AS c
    CROSS JOIN LATERAL (VALUES (c.castsource), (c.casttarget)) AS side (type)
    WHERE c.castfunc <> 0
),
used (relation, what, classid, objid) AS (
    SELECT part.*
    FROM (
        SELECT c.oid, 'the partition key or a column''s type', 'pg_catalog.pg_class'::regclass::oid, c.oid
        FROM pg_catalog.pg_class AS c
        UNION ALL
        SELECT i.indrelid, 'index ' || quote_ident(c.relname), 'pg_catalog.pg_class'::regclass, i.indexrelid
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        UNION ALL
        SELECT k.conrelid, 'constraint ' || quote_ident(k.conname), 'pg_catalog.pg_constraint'::regclass, k.oid
        FROM pg_catalog.pg_constraint AS k
        WHERE k.contype = 'c'
        UNION ALL
        SELECT s.stxrelid, 'statistics ' || quote_ident(s.stxname), 'pg_catalog.pg_statistic_ext'::regclass, s.oid
        FROM pg_catalog.pg_statistic_ext AS s
    ) AS part (relation, what, classid, objid)
    WHERE part.relation = ANY (%(relations)s::oid[])
    UNION
    SELECT u.relation, u.what, e.refclassid, e.refobjid
    FROM used AS u
    JOIN edge AS e ON (e.classid, e.objid) = (u.classid, u.objid)
)
SELECT p.polrelid, 'policy ' || quote_ident(p.polname)
FROM pg_catalog.pg_policy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE p.polrelid = ANY (%(relations)s::oid[])
  AND NOT concat('policy ', n.nspname, '.', c.relname, ' ', p.polname) = ANY (%(policies)s)
UNION ALL
SELECT DISTINCT u.relation, u.what
FROM used AS u
JOIN pg_catalog.pg_proc AS p ON p.oid = u.objid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE u.classid = 'pg_catalog.pg_proc'::regclass
  AND n.nspname NOT IN ('pg_catalog', 'rlsguard')
  -- functions in C, an extension's for instance, are a superuser's
  AND l.lanname NOT IN ('internal', 'c')
ORDER BY 1, 2
