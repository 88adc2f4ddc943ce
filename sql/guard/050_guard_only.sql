-- One row that only the guard sees: its owner passes row security that is not forced, all others find nothing.
-- The policies of hop tables let the guard through by it where its role has no BYPASSRLS.
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.guard_only (
    one boolean PRIMARY KEY CHECK (one)
);
INSERT INTO rlsguard.guard_only VALUES (true) ON CONFLICT DO NOTHING;
ALTER TABLE rlsguard.guard_only ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE rlsguard.guard_only IS 'Visible to the guard alone: row security on, not forced, no policy. Never add one.';
REVOKE ALL ON rlsguard.guard_only FROM PUBLIC;
GRANT SELECT ON rlsguard.guard_only TO PUBLIC;

RESET ROLE;
