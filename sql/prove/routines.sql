-- SECURITY DEFINER routines that did not come with the server, and who may call them.
SELECT p.oid, p.oid::regprocedure::text, p.prokind, p.prorettype = 'trigger'::regtype, pg_get_userbyid(p.proowner),
       p.provolatile, p.proretset, l.lanname, p.pronargs - p.pronargdefaults, n.nspname, p.proname,
       -- the relation whose rows it returns
       (SELECT t.typrelid FROM pg_catalog.pg_type AS t WHERE t.oid = p.prorettype),
       -- names of the columns that it returns
       ARRAY(SELECT a.name FROM unnest(p.proargnames, p.proargmodes) WITH ORDINALITY AS a (name, mode, place)
             WHERE a.mode = 't' ORDER BY a.place),
       -- where it is not everybody's, any login that may call it
       ARRAY(SELECT r.rolname FROM pg_catalog.pg_roles AS r
             WHERE (r.rolname = ANY (%s)
                    OR r.rolcanlogin AND NOT r.rolsuper AND NOT EXISTS (
                        SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS g WHERE g.grantee = 0))
               AND (has_function_privilege(r.oid, p.oid, 'EXECUTE')
                    -- of an aggregate's functions its owner's right is asked, and of the aggregate the caller's
                    -- (https://www.postgresql.org/docs/current/sql-createaggregate.html)
                    OR EXISTS (SELECT FROM pg_catalog.pg_aggregate AS a
                               WHERE p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                               a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
                                 AND has_function_privilege(r.oid, a.aggfnoid, 'EXECUTE')))
               AND (has_schema_privilege(r.oid, p.pronamespace, 'USAGE') OR reached.by_name))
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
-- whatever calls it by name of its own: a view, an operator, an aggregate, a cast, a default
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = p.oid
          AND d.classid <> 'pg_catalog.pg_extension'::regclass)
) AS reached (by_name)
WHERE p.prosecdef
  AND p.oid >= 16384
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND p.pronamespace <> pg_my_temp_schema()
  AND p.prorettype <> 'event_trigger'::regtype
ORDER BY 2
