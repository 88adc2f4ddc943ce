-- psql -f apply.sql: everything in one transaction, or nothing.
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '5s';
-- ROLES
\ir 'become_owner.sql'
-- FILES
\ir 'leave_owner.sql'
COMMIT;
