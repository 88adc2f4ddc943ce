-- Settings by which the audit or triggers can be silenced, programs or code run, anybody let in, or large objects
-- read; who was given the right to set them; and who, other than the first superuser, passed that on.
SELECT p.parname, array_agg(DISTINCT coalesce(r.rolname, 'PUBLIC')::text),
       array_remove(array_agg(DISTINCT CASE WHEN g.grantor <> 10 THEN pg_get_userbyid(g.grantor)::text END), NULL)
FROM pg_catalog.pg_parameter_acl AS p
CROSS JOIN aclexplode(p.paracl) AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
WHERE (p.parname IN ('session_replication_role', 'event_triggers',
                     'archive_command', 'restore_command', 'archive_cleanup_command', 'recovery_end_command',
                     'ssl_passphrase_command', 'archive_library', 'jit_provider', 'dynamic_library_path',
                     'extension_control_path', 'hba_file', 'ident_file', 'lo_compat_privileges')
       OR p.parname ~ '(_preload_libraries$|^pgaudit[.])')
  AND NOT coalesce(r.rolsuper, false)
GROUP BY 1
ORDER BY 1
