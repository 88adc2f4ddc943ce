-- Which of these roles can read the ledger and the row changes.
SELECT r.rolname::text AS role
FROM pg_roles AS r
JOIN pg_roles AS auditor ON auditor.rolname = 'rlsguard_auditor'
WHERE r.rolname = ANY (%s) AND NOT r.rolsuper AND pg_has_role(r.oid, auditor.oid, 'MEMBER')
ORDER BY 1
