-- SECURITY DEFINER trigger functions, by which triggers they run, and who may write there: to the relation itself or a
-- column of it, to what it is a part of, or by a view or a rule over any of these.
WITH RECURSIVE over (below, oid) AS (
    SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits AS i
    UNION
    SELECT d.refobjid, w.ev_class
    FROM pg_catalog.pg_rewrite AS w
    JOIN pg_catalog.pg_depend AS d
      ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
),
fired (function, trigger, name, relation, cloned, oid) AS (
    SELECT p.oid, t.oid, t.tgname, t.tgrelid, t.tgparentid <> 0, t.tgrelid
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid AND p.prosecdef
    WHERE p.pronamespace <> to_regnamespace('rlsguard')
    UNION
    SELECT f.function, f.trigger, f.name, f.relation, f.cloned, o.oid FROM fired AS f JOIN over AS o ON o.below = f.oid
)
-- a partition's copy of a trigger goes without saying
SELECT f.function, array_agg(DISTINCT format('trigger %I on %s', f.name, f.relation::regclass)) FILTER (WHERE NOT f.cloned),
       array_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END)
FROM fired AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.oid
CROSS JOIN LATERAL (
    SELECT coalesce(c.relacl, acldefault('r', c.relowner))
    UNION ALL
    SELECT a.attacl FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0
) AS l (acl)
CROSS JOIN aclexplode(l.acl) AS g
WHERE g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
GROUP BY f.function
ORDER BY min(f.name), f.function
