-- What has been applied, and what each object looked like in the catalog right after.
CALL rlsguard.take_back('{manifest}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.manifest (
    unit text COLLATE "C" PRIMARY KEY,
    statements_hash text NOT NULL,
    objects jsonb NOT NULL,
    detail jsonb NOT NULL,
    made_in text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT session_user
);
ALTER TABLE rlsguard.manifest SET LOGGED;
COMMENT ON TABLE rlsguard.manifest IS 'What rlsguard has made in this database, and what it found there before';
COMMENT ON COLUMN rlsguard.manifest.made_in IS 'Server and database whose OIDs are in detail; a restored dump has others';
ALTER TABLE rlsguard.manifest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.manifest;
CREATE POLICY guard ON rlsguard.manifest USING (true);
GRANT SELECT ON rlsguard.manifest TO rlsguard_auditor;

RESET ROLE;
