-- Who is exempt; a role that was dropped has no name.
SELECT r.rolname AS role, e.role::oid AS oid, e.reason, e.until
FROM rlsguard.exemption AS e
LEFT JOIN pg_roles AS r ON r.oid = e.role
ORDER BY r.rolname, e.role::oid
