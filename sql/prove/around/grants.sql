-- Memberships: of what, whose, by whom ('' where REVOKE need not say so), and whether that member has passed it on.
-- Before PostgreSQL 16 it is no matter who granted what; from then on it is, except for the first superuser.
SELECT role.rolname, member.rolname,
       array_agg(CASE WHEN version.before_16 OR m.grantor = 10 THEN '' ELSE pg_get_userbyid(m.grantor)::text END
                 ORDER BY m.grantor),
       NOT version.before_16 AND EXISTS (SELECT FROM pg_catalog.pg_auth_members AS passed
                                         WHERE passed.roleid = role.oid AND passed.grantor = member.oid)
FROM pg_catalog.pg_auth_members AS m
JOIN pg_catalog.pg_roles AS role ON role.oid = m.roleid
JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
CROSS JOIN (SELECT current_setting('server_version_num')::int < 160000) AS version (before_16)
-- what a member granted itself goes with what it was granted
WHERE version.before_16 OR m.grantor <> m.member
GROUP BY role.oid, role.rolname, member.oid, member.rolname, version.before_16
