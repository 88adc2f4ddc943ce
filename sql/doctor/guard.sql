-- The guard's schema, its owner, and the table with one row by which the owner is recognised.
SELECT pg_get_userbyid(n.nspowner) AS schema_owner,
       r.rolcanlogin AS can_login,
       r.rolbypassrls OR r.rolsuper AS bypass,
       -- Before 16 every membership is of the kind that lets one become the role.
       ARRAY(SELECT pg_get_userbyid(m.member)::text
             FROM pg_auth_members AS m
             WHERE m.roleid = r.oid
               AND (coalesce(to_jsonb(m) ->> 'set_option', 'true') = 'true'
                    OR coalesce(to_jsonb(m) ->> 'inherit_option', 'true') = 'true')
             ORDER BY 1) AS members,
       g.oid IS NOT NULL AS has_row,
       g.relowner = n.nspowner AS row_owned,
       g.relrowsecurity AS row_security,
       g.relforcerowsecurity AS row_forced,
       ARRAY(SELECT p.polname FROM pg_policy AS p WHERE p.polrelid = g.oid ORDER BY 1) AS row_policies
FROM pg_namespace AS n
LEFT JOIN pg_roles AS r ON r.rolname = 'rlsguard_owner'
LEFT JOIN pg_class AS g ON g.relnamespace = n.oid AND g.relname = 'guard_only'
WHERE n.nspname = 'rlsguard'
