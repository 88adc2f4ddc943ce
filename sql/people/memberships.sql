-- Who is a direct member of whom, and what that gives: the other's privileges at once, or only by SET ROLE.
-- Up to 15 the member's own rolinherit decides; from 16 on each grant does.
SELECT member.rolname,
       role.rolname,
       coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, member.rolinherit) AS inherits,
       coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS may_set
FROM pg_catalog.pg_auth_members AS m
JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
JOIN pg_catalog.pg_roles AS role ON role.oid = m.roleid
