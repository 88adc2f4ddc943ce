-- Every object that rlsguard makes, and its definition as this server spells it.
-- Read with search_path = pg_catalog, so that all names come out qualified. Rights are sorted, and those that come with
-- an object by itself written out: neither the order of GRANTs nor a dump and restore makes a difference.
WITH definition (object, definition) AS (
    SELECT 'role ' || rolname,
           concat_ws(' ',
               CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
               CASE WHEN rolsuper THEN 'SUPERUSER' END,
               CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
               CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN rolcreatedb THEN 'CREATEDB' END,
               CASE WHEN rolreplication THEN 'REPLICATION' END,
               -- who can become the guard's owner, but for the role that looks
               (SELECT 'with the members ' || string_agg(m.member::regrole::text, ', ' ORDER BY m.member::regrole::text)
                FROM pg_auth_members AS m
                JOIN pg_roles AS who ON who.oid = m.member
                WHERE pg_roles.rolname IN ('rlsguard_owner', 'rlsguard_nobody') AND m.roleid = pg_roles.oid
                  AND who.rolname <> current_user AND NOT who.rolsuper
                  AND (coalesce(to_jsonb(m) ->> 'set_option', 'true') = 'true'
                       OR coalesce(to_jsonb(m) ->> 'inherit_option', 'true') = 'true')))
    FROM pg_roles
    WHERE rolname IN ('rlsguard_owner', 'rlsguard_nobody', 'rlsguard_recorder', 'rlsguard_auditor', 'rlsguard_sealer')

    UNION ALL
    SELECT 'schema ' || n.nspname,
           concat_ws(E'\n',
               -- that of the event triggers is a superuser's, whoever that is
               CASE WHEN o.rolsuper AND n.nspname = 'rlsguard_events' THEN 'OWNER SUPERUSER' ELSE 'OWNER ' || n.nspowner::regrole END,
               (SELECT string_agg('RIGHTS ' || a.item, E'\n' ORDER BY a.item::text)
                FROM unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a (item)
                WHERE NOT (o.rolsuper AND n.nspname = 'rlsguard_events' AND (SELECT grantee = n.nspowner FROM aclexplode(ARRAY[a.item]) LIMIT 1))))
    FROM pg_namespace AS n
    JOIN pg_roles AS o ON o.oid = n.nspowner
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views', 'rlsguard_events')

    UNION ALL
    SELECT 'relation ' || n.nspname || '.' || c.relname,
           concat_ws(E'\n',
               CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE 'KIND ' || c.relkind::text END,
               CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' WHEN 't' THEN 'TEMPORARY' END,
               'OWNER ' || c.relowner::regrole,
               (SELECT string_agg('RIGHTS ' || r.item, E'\n' ORDER BY r.item)
                FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))::text[]) AS r (item)),
               'WITH ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) AS o),
               CASE WHEN c.relrowsecurity THEN 'ROW LEVEL SECURITY' END,
               CASE WHEN c.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
               -- what no DDL does, and no definition shows: nothing is said of it where all is well
               CASE WHEN NOT c.relhastriggers AND EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid)
                    THEN 'WITHOUT TRIGGERS' END,
               (SELECT string_agg('STALE INDEX ' || i.indexrelid::regclass, E'\n' ORDER BY i.indexrelid::regclass::text)
                FROM pg_index AS i
                WHERE i.indrelid = c.oid AND NOT (i.indisvalid AND i.indisready AND i.indislive)),
               (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
                                            CASE WHEN l.oid IS NOT NULL THEN format('COLLATE %I.%I', ln.nspname, l.collname) END,
                                            CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                                            CASE WHEN a.attidentity <> '' THEN 'IDENTITY ' || a.attidentity::text END,
                                            'WITH ' || a.attoptions::text, 'RIGHTS ' || a.attacl::text,
                                            (SELECT 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef AS d
                                             WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)), E'\n' ORDER BY a.attnum)
                FROM pg_attribute AS a
                LEFT JOIN (pg_collation AS l JOIN pg_namespace AS ln ON ln.oid = l.collnamespace)
                       ON l.oid = a.attcollation AND l.collname <> 'default'
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
               (SELECT string_agg(pg_get_constraintdef(k.oid), E'\n' ORDER BY k.conname)
                FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype <> 'n'),
               -- what hangs under a table is read along with it
               (SELECT string_agg('CHILD ' || i.inhrelid::regclass, E'\n' ORDER BY i.inhrelid::regclass::text)
                FROM pg_inherits AS i WHERE i.inhparent = c.oid),
               CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END,
               -- an operator that is another's function: the text shows only the operator
               (SELECT string_agg(format('OPERATOR %s BY %s', o.oprname, f.called::oid::regprocedure), E'\n' ORDER BY f.called, f.operator)
                FROM pg_rewrite AS w
                CROSS JOIN LATERAL regexp_matches(w.ev_action::text, ':opno (\d+) :opfuncid (\d+)', 'g') AS m
                CROSS JOIN LATERAL (SELECT m[1]::oid, m[2]::oid) AS f (operator, called)
                JOIN pg_operator AS o ON o.oid = f.operator
                WHERE w.ev_class = c.oid AND f.called <> 0 AND f.called <> o.oprcode))
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND c.relkind IN ('r', 'v', 'm', 'p', 'f')

    UNION ALL
    SELECT 'sequence ' || n.nspname || '.' || c.relname,
           concat_ws(E'\n',
               format('INCREMENT %s MINVALUE %s MAXVALUE %s CYCLE %s', s.seqincrement, s.seqmin, s.seqmax, s.seqcycle),
               CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
               'OWNER ' || c.relowner::regrole,
               (SELECT string_agg('RIGHTS ' || r.item, E'\n' ORDER BY r.item)
                FROM unnest(coalesce(c.relacl, acldefault('s', c.relowner))::text[]) AS r (item)))
    FROM pg_sequence AS s
    JOIN pg_class AS c ON c.oid = s.seqrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'rlsguard'

    UNION ALL
    SELECT 'function ' || n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
           concat_ws(E'\n', pg_get_functiondef(p.oid),
               CASE WHEN o.rolsuper AND n.nspname = 'rlsguard_events' THEN 'OWNER SUPERUSER' ELSE 'OWNER ' || p.proowner::regrole END,
               -- rights, but for those that come and go with audited tables that have partitions
               (SELECT string_agg('RIGHTS ' || a.item, E'\n' ORDER BY a.item::text)
                FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) AS a (item)
                WHERE NOT (o.rolsuper AND n.nspname = 'rlsguard_events' AND (SELECT grantee = p.proowner FROM aclexplode(ARRAY[a.item]) LIMIT 1))
                  AND NOT EXISTS (
                    SELECT FROM pg_trigger AS t
                    JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relkind = 'p'
                    CROSS JOIN LATERAL aclexplode(ARRAY[a.item]) AS g
                    WHERE t.tgfoid = p.oid AND c.relowner = g.grantee AND NOT g.is_grantable)))
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_roles AS o ON o.oid = p.proowner
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views', 'rlsguard_events') AND p.prokind IN ('f', 'p')

    UNION ALL
    SELECT 'event trigger ' || e.evtname,
           concat_ws(E'\n', format('ON %s EXECUTE FUNCTION %s', e.evtevent, e.evtfoid::regprocedure),
               'WHEN TAG IN ' || e.evttags::text,
               CASE e.evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'O' THEN 'ENABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                                 WHEN 'D' THEN 'DISABLE' END)
    FROM pg_event_trigger AS e
    JOIN pg_proc AS f ON f.oid = e.evtfoid
    WHERE e.evtname IN ('rlsguard_drop', 'rlsguard_ddl') OR f.pronamespace = to_regnamespace('rlsguard_events')

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
           concat_ws(E'\n',
               CASE WHEN p.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END,
               CASE p.polcmd WHEN '*' THEN 'FOR ALL' WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT'
                             WHEN 'w' THEN 'FOR UPDATE' WHEN 'd' THEN 'FOR DELETE' END,
               'TO ' || (SELECT string_agg(CASE WHEN r.oid = 0 THEN 'PUBLIC' ELSE r.oid::regrole::text END, ', ' ORDER BY r.oid)
                         FROM unnest(p.polroles) AS r (oid)),
               'USING ' || pg_get_expr(p.polqual, p.polrelid),
               'WITH CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid),
               (SELECT string_agg(format('OPERATOR %s BY %s', o.oprname, f.called::oid::regprocedure), E'\n' ORDER BY f.called, f.operator)
                FROM (VALUES (p.polqual), (p.polwithcheck)) AS w (tree)
                CROSS JOIN LATERAL regexp_matches(w.tree::text, ':opno (\d+) :opfuncid (\d+)', 'g') AS m
                CROSS JOIN LATERAL (SELECT m[1]::oid, m[2]::oid) AS f (operator, called)
                JOIN pg_operator AS o ON o.oid = f.operator
                WHERE f.called <> 0 AND f.called <> o.oprcode))
    FROM pg_policy AS p
    JOIN pg_class AS c ON c.oid = p.polrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'rlsguard' OR p.polname ~ '^(!+rlsguard|rlsguard (baseline|present|owner|hop))$'

    UNION ALL
    SELECT 'row security ' || n.nspname || '.' || c.relname, concat_ws(', ',
               CASE WHEN c.relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' ELSE 'DISABLE ROW LEVEL SECURITY' END,
               CASE WHEN c.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' ELSE 'NO FORCE ROW LEVEL SECURITY' END,
               CASE WHEN NOT c.relhassubclass AND EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid)
                    THEN 'WITHOUT CHILDREN' END)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname ~ '^!+rlsguard$')

    UNION ALL
    SELECT 'trigger ' || n.nspname || '.' || c.relname || ' ' || t.tgname,
           concat_ws(E'\n', pg_get_triggerdef(t.oid),
               CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'O' THEN 'ENABLE' WHEN 'R' THEN 'ENABLE REPLICA'
                                WHEN 'D' THEN 'DISABLE' END,
               CASE WHEN NOT c.relhastriggers THEN 'NEVER' END)
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_proc AS f ON f.oid = t.tgfoid
    JOIN pg_namespace AS fn ON fn.oid = f.pronamespace
    -- not those that partitions have from the table above them
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND fn.nspname = 'rlsguard'

    UNION ALL
    SELECT 'grant ' || n.nspname || '.' || c.relname || '.' || a.attname, 'SELECT'
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL aclexplode(a.attacl) AS g
    WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND a.attacl IS NOT NULL AND g.privilege_type = 'SELECT'
      AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')

    UNION ALL
    SELECT CASE r.rolname WHEN 'rlsguard_owner' THEN 'usage ' ELSE 'nobody''s usage ' END || n.nspname, 'USAGE'
    FROM pg_namespace AS n
    CROSS JOIN LATERAL aclexplode(n.nspacl) AS g
    JOIN pg_roles AS r ON r.oid = g.grantee AND r.rolname IN ('rlsguard_owner', 'rlsguard_nobody')
    WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND g.privilege_type = 'USAGE'
)
SELECT object, definition
FROM definition
ORDER BY object
