-- psql -f apply.sql: everything in one transaction, or nothing.
\set ON_ERROR_STOP on
BEGIN;
\ir '000_session.sql'
SET LOCAL lock_timeout = '5s';
-- FILES
COMMIT;
