-- What is loaded shows in pg_settings, which everybody may read; a mere setting of that name does not.
SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'pgaudit.role') AS loaded,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgaudit') AS installed,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pgaudit') AS created,
       coalesce(current_setting('pgaudit.role', true), '') AS role,
       EXISTS (SELECT FROM pg_roles WHERE rolname = current_setting('pgaudit.role', true)) AS role_exists,
       (SELECT rolcanlogin FROM pg_roles WHERE rolname = current_setting('pgaudit.role', true)) AS role_can_login
