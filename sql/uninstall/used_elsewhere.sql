-- The guard's roles that other databases of the server use.
SELECT DISTINCT r.rolname::text
FROM pg_shdepend AS d
JOIN pg_database AS elsewhere ON elsewhere.oid = d.dbid AND elsewhere.datname <> current_database()
JOIN pg_roles AS r ON r.oid = d.refobjid AND d.refclassid = 'pg_authid'::regclass
WHERE r.rolname IN ('rlsguard_owner', 'rlsguard_nobody', 'rlsguard_recorder', 'rlsguard_auditor', 'rlsguard_sealer')
ORDER BY 1
