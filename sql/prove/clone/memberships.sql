-- Memberships; what came with 16 reads as what it was before. Predefined roles can be granted too.
SELECT role.rolname, member.rolname, m.admin_option,
       (to_jsonb(m) ->> 'inherit_option')::boolean, (to_jsonb(m) ->> 'set_option')::boolean
FROM pg_catalog.pg_auth_members AS m
JOIN pg_catalog.pg_roles AS role ON role.oid = m.roleid
JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
WHERE member.rolname !~ '^pg_'
ORDER BY role.rolname, member.rolname
