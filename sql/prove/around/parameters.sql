-- Settings with which the audit or triggers can be silenced, and who was given the right to set them.
SELECT p.parname, array_agg(DISTINCT coalesce(r.rolname, 'PUBLIC')::text)
FROM pg_catalog.pg_parameter_acl AS p
CROSS JOIN aclexplode(p.paracl) AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
WHERE p.parname ~ '^(session_replication_role|event_triggers|.*preload_libraries|archive_command|restore_command|archive_cleanup_command|recovery_end_command|pgaudit[.].*)$'
  AND NOT coalesce(r.rolsuper, false)
GROUP BY 1
ORDER BY 1
