SELECT p.polrelid, p.polname, p.polpermissive,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                     ELSE 'ALL' END,
       -- PUBLIC is the role 0, which joins nothing.
       ARRAY(SELECT r.rolname FROM pg_roles AS r WHERE r.oid = ANY (p.polroles) ORDER BY r.rolname)
FROM pg_policy AS p
ORDER BY p.polrelid, p.polname
