-- Roles that the map gave purposes and that were dropped since.
SELECT p.role::oid AS oid, array_agg(p.purpose ORDER BY p.purpose) AS purposes
FROM rlsguard.role_purpose AS p
WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = p.role)
GROUP BY p.role
ORDER BY p.role::oid
