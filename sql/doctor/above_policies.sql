-- Logins that are, or by SET ROLE can become, a role that row security does not reach.
SELECT CASE WHEN above.rolsuper THEN 'superuser' ELSE 'bypassrls' END AS attribute, login.rolname AS login
FROM pg_roles AS above
JOIN pg_roles AS login
  ON login.rolcanlogin
 AND (login.oid = above.oid
      OR NOT login.rolsuper
         AND pg_has_role(login.oid, above.oid,
                         CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END))
WHERE (above.rolsuper OR above.rolbypassrls)
  AND above.rolname <> 'rlsguard_owner'
GROUP BY 1, 2
ORDER BY 1, 2
