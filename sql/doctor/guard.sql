-- The guard's schema, its owner, and the table with one row by which the owner is recognised.
SELECT pg_get_userbyid(n.nspowner) AS schema_owner,
       r.rolcanlogin AS can_login,
       r.rolbypassrls OR r.rolsuper AS bypass,
       EXISTS (SELECT FROM pg_policy AS p
               JOIN pg_class AS c ON c.oid = p.polrelid
               WHERE c.relnamespace = n.oid AND c.relname = 'hop_like' AND r.oid = ANY (p.polroles)) AS marker,
       member.become AS members,
       member.administer AS administrators,
       g.oid IS NOT NULL AS has_row,
       g.relowner = n.nspowner AS row_owned,
       g.relrowsecurity AS row_security,
       g.relforcerowsecurity AS row_forced,
       ARRAY(SELECT p.polname FROM pg_policy AS p WHERE p.polrelid = g.oid ORDER BY 1) AS row_policies
FROM pg_namespace AS n
LEFT JOIN pg_roles AS r ON r.rolname = 'rlsguard_owner'
LEFT JOIN pg_class AS g ON g.relnamespace = n.oid AND g.relname = 'guard_only'
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT who.rolname::text) FILTER (WHERE k.becomes), '{}'),
           coalesce(array_agg(DISTINCT who.rolname::text) FILTER (WHERE m.admin_option AND NOT k.becomes), '{}')
    FROM pg_auth_members AS m
    JOIN pg_roles AS own ON own.oid = m.roleid AND own.rolname IN ('rlsguard_owner', 'rlsguard_nobody')
    JOIN pg_roles AS who ON who.oid = m.member AND NOT who.rolsuper
    -- Before 16 every membership is of the kind that lets one become the role.
    CROSS JOIN LATERAL (
        SELECT coalesce(to_jsonb(m) ->> 'set_option', 'true') = 'true'
               OR coalesce(to_jsonb(m) ->> 'inherit_option', 'true') = 'true'
    ) AS k (becomes)
) AS member (become, administer)
WHERE n.nspname = 'rlsguard'
