-- Languages that reach past the server's rights, and that roles may write functions in all the same.
SELECT l.lanname, array_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END)
FROM pg_catalog.pg_language AS l
CROSS JOIN LATERAL aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) AS g
WHERE l.lanpltrusted AND l.lanname IN ('internal', 'c') AND g.grantee <> l.lanowner
GROUP BY 1
ORDER BY 1
