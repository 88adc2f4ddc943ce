-- Roles that may insert into these tables and are held to policies: COPY FROM refuses them all.
SELECT c.oid,
       ARRAY(
           SELECT coalesce(r.rolname, 'PUBLIC')::text
           FROM (
               SELECT a.grantee FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS a
               WHERE a.privilege_type = 'INSERT'
               UNION
               SELECT a.grantee FROM pg_attribute AS col CROSS JOIN LATERAL aclexplode(col.attacl) AS a
               WHERE col.attrelid = c.oid AND a.privilege_type = 'INSERT'
               UNION
               SELECT m.member FROM pg_auth_members AS m WHERE m.roleid = to_regrole('pg_write_all_data')
           ) AS g
           LEFT JOIN pg_roles AS r ON r.oid = g.grantee
           WHERE g.grantee = 0 OR NOT (r.rolsuper OR r.rolbypassrls)
           ORDER BY 1) AS roles
FROM pg_class AS c
WHERE c.oid = ANY (%s::oid[])
