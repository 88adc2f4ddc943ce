-- Logins that own one of these tables, or are members of its owner: they can take its policies away.
SELECT pg_get_userbyid(c.relowner) AS owner,
       array_agg(DISTINCT login.rolname::text) AS logins
FROM pg_class AS c
JOIN pg_roles AS login ON login.rolcanlogin AND NOT login.rolsuper AND pg_has_role(login.oid, c.relowner, 'MEMBER')
WHERE c.oid = ANY (%s::oid[])
GROUP BY c.relowner
ORDER BY 1
