-- What is in the guard's schemas, and the schemas, and belongs to somebody else.
SELECT o.kind, o.name, o.sql, o.owner, o.should
FROM (
    SELECT 'schema', n.nspname::text, format('SCHEMA %I', n.nspname), pg_get_userbyid(n.nspowner), 'rlsguard_owner'
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views')
    UNION ALL
    SELECT 'relation', c.oid::regclass::text,
           format('%s %s', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass), pg_get_userbyid(c.relowner),
           'rlsguard_owner'
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND c.relkind IN ('r', 'v')
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, format('ROUTINE %s', p.oid::regprocedure), pg_get_userbyid(p.proowner),
           -- who runs code of users' types
           CASE WHEN p.proname ~ '^(as_json$|key_)' THEN 'rlsguard_nobody' ELSE 'rlsguard_owner' END
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('rlsguard', 'rlsguard_views')
) AS o (kind, name, sql, owner, should)
WHERE o.owner NOT IN ('rlsguard_owner', 'rlsguard_nobody')
ORDER BY 1, 2
