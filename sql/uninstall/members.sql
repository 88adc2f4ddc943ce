-- Who records and who audits, but for whoever looks. Given: roles that stay.
SELECT r.rolname::text, m.rolname::text
FROM pg_auth_members AS a
JOIN pg_roles AS r ON r.oid = a.roleid AND r.rolname IN ('rlsguard_recorder', 'rlsguard_auditor', 'rlsguard_sealer')
JOIN pg_roles AS m ON m.oid = a.member AND m.rolname <> current_user
WHERE r.rolname <> ALL (%s)
  -- from 16 on, whoever made a role may only administer it
  AND (coalesce(to_jsonb(a) ->> 'set_option', 'true') = 'true' OR coalesce(to_jsonb(a) ->> 'inherit_option', 'true') = 'true')
GROUP BY 1, 2
ORDER BY 1, 2
