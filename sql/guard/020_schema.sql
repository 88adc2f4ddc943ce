-- The guard: everything that rlsguard keeps in this database.
CREATE SCHEMA IF NOT EXISTS rlsguard AUTHORIZATION rlsguard_owner;
COMMENT ON SCHEMA rlsguard IS 'Opt-outs enforced by row-level security. Made by rlsguard; change it through the data map.';

SET LOCAL ROLE rlsguard_owner;

REVOKE ALL ON SCHEMA rlsguard FROM PUBLIC;
-- Whoever only reads protected tables needs nothing here: policies find the views by themselves.
GRANT USAGE ON SCHEMA rlsguard TO rlsguard_recorder, rlsguard_auditor;

RESET ROLE;
