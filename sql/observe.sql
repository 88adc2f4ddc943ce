-- Every object that rlsguard makes, and the hash of its definition as this server spells it.
-- Read with search_path = pg_catalog, so that all names come out qualified.
WITH definition (object, definition) AS (
    SELECT 'role ' || rolname,
           concat_ws(' ', rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
               -- who can become the guard's owner, but for the role that looks
               (SELECT string_agg(m.member::regrole::text, ',' ORDER BY m.member)
                FROM pg_auth_members AS m
                JOIN pg_roles AS who ON who.oid = m.member
                WHERE pg_roles.rolname IN ('rlsguard_owner', 'rlsguard_nobody') AND m.roleid = pg_roles.oid
                  AND who.rolname <> current_user AND NOT who.rolsuper
                  AND (m.admin_option
                       OR coalesce(to_jsonb(m) ->> 'set_option', 'true') = 'true'
                       OR coalesce(to_jsonb(m) ->> 'inherit_option', 'true') = 'true')))
    FROM pg_roles
    WHERE rolname IN ('rlsguard_owner', 'rlsguard_nobody', 'rlsguard_recorder', 'rlsguard_auditor')

    UNION ALL
    SELECT 'schema ' || nspname, concat_ws(' ', nspowner::regrole, nspacl)
    FROM pg_namespace
    WHERE nspname IN ('rlsguard', 'rlsguard_views')

    UNION ALL
    SELECT 'relation ' || n.nspname || '.' || c.relname,
           concat_ws(E'\n',
               c.relkind, c.relpersistence, c.relowner::regrole, c.relacl, c.reloptions, c.relrowsecurity, c.relforcerowsecurity,
               (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                                            a.attcollation, a.attoptions, a.attacl,
                                            (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d
                                             WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)), E'\n' ORDER BY a.attnum)
                FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
               (SELECT string_agg(pg_get_constraintdef(k.oid), E'\n' ORDER BY k.conname)
                FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype <> 'n'),
               CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND c.relkind IN ('r', 'v', 'm', 'p', 'f')

    UNION ALL
    SELECT 'function ' || n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
           concat_ws(E'\n', pg_get_functiondef(p.oid), p.proowner::regrole,
               -- rights, but for those that come and go with audited tables that have partitions
               CASE WHEN p.proacl IS NOT NULL THEN
                   ARRAY(SELECT a.item FROM unnest(p.proacl) WITH ORDINALITY AS a (item, place)
                         WHERE NOT EXISTS (
                             SELECT FROM pg_trigger AS t
                             JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relkind = 'p'
                             CROSS JOIN LATERAL aclexplode(ARRAY[a.item]) AS g
                             WHERE t.tgfoid = p.oid AND c.relowner = g.grantee AND NOT g.is_grantable)
                         ORDER BY a.place) END)
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'rlsguard' AND p.prokind IN ('f', 'p')

    UNION ALL
    SELECT 'audit by ' || r.rolname, string_agg(p.proname, ' ' ORDER BY p.proname)
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL aclexplode(p.proacl) AS g
    JOIN pg_roles AS r ON r.oid = g.grantee
    WHERE n.nspname = 'rlsguard' AND p.proname IN ('audit_change', 'hand_over_role') AND p.proowner <> g.grantee
    GROUP BY r.rolname

    UNION ALL
    SELECT 'policy ' || n.nspname || '.' || c.relname || ' ' || p.polname,
           concat_ws(E'\n', p.polpermissive, p.polcmd, p.polroles::regrole[],
                     pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p
    JOIN pg_class AS c ON c.oid = p.polrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'rlsguard' OR p.polname ~ '^(!+rlsguard|rlsguard (baseline|present|owner|hop))$'

    UNION ALL
    SELECT 'row security ' || n.nspname || '.' || c.relname, concat_ws(' ', c.oid, c.relrowsecurity, c.relforcerowsecurity)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname ~ '^!+rlsguard$')

    UNION ALL
    SELECT 'trigger ' || n.nspname || '.' || c.relname || ' ' || t.tgname,
           concat_ws(E'\n', pg_get_triggerdef(t.oid), t.tgenabled)
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_proc AS f ON f.oid = t.tgfoid
    JOIN pg_namespace AS fn ON fn.oid = f.pronamespace
    WHERE NOT t.tgisinternal AND fn.nspname = 'rlsguard'

    UNION ALL
    SELECT 'grant ' || n.nspname || '.' || c.relname || '.' || a.attname, 'SELECT'
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL aclexplode(a.attacl) AS g
    WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND g.privilege_type = 'SELECT'
      AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')

    UNION ALL
    SELECT CASE r.rolname WHEN 'rlsguard_owner' THEN 'usage ' ELSE 'nobody''s usage ' END || n.nspname, 'USAGE'
    FROM pg_namespace AS n
    CROSS JOIN LATERAL aclexplode(n.nspacl) AS g
    JOIN pg_roles AS r ON r.oid = g.grantee AND r.rolname IN ('rlsguard_owner', 'rlsguard_nobody')
    WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND g.privilege_type = 'USAGE'
)
SELECT object, encode(sha256(convert_to(definition, 'UTF8')), 'hex')
FROM definition
ORDER BY object
