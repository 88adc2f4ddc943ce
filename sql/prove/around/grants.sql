-- Memberships: of what, whose, by whom ('' where it does not matter), and whether that member has passed it on. Before
-- PostgreSQL 16 anybody's grant is taken back like one's own; so are later those of the first superuser.
SELECT role.rolname, member.rolname,
       array_agg(CASE WHEN m.grantor = 10 OR current_setting('server_version_num')::int < 160000 THEN ''
                 ELSE pg_get_userbyid(m.grantor)::text END ORDER BY m.grantor),
       EXISTS (SELECT FROM pg_catalog.pg_auth_members AS passed
               WHERE passed.roleid = role.oid AND passed.grantor = member.oid
                 AND current_setting('server_version_num')::int >= 160000)
FROM pg_catalog.pg_auth_members AS m
JOIN pg_catalog.pg_roles AS role ON role.oid = m.roleid
JOIN pg_catalog.pg_roles AS member ON member.oid = m.member
GROUP BY role.oid, role.rolname, member.oid, member.rolname
