-- What the data map says of purposes and roles, as rows: policies hold no list of their own.
CALL rlsguard.take_back('{subject, purpose, role_purpose, exemption}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.subject (
    kind text COLLATE "C" PRIMARY KEY,
    subject_table text NOT NULL,
    key_column text NOT NULL,
    key_type text NOT NULL,
    table_oid oid NOT NULL,
    key_number smallint NOT NULL
);
COMMENT ON TABLE rlsguard.subject IS 'Kinds of person, and the column that identifies one';

CREATE TABLE IF NOT EXISTS rlsguard.purpose (
    purpose text COLLATE "C" PRIMARY KEY,
    opt_out boolean NOT NULL,
    description text NOT NULL
);
COMMENT ON TABLE rlsguard.purpose IS 'Why roles read; opt_out is false for contract and legal duty';

-- regrole: a renamed role is followed, a dropped one matches nobody.
CREATE TABLE IF NOT EXISTS rlsguard.role_purpose (
    role regrole NOT NULL,
    purpose text COLLATE "C" NOT NULL REFERENCES rlsguard.purpose,
    PRIMARY KEY (role, purpose)
);
COMMENT ON TABLE rlsguard.role_purpose IS 'Purposes of each database role that the data map names';

CREATE TABLE IF NOT EXISTS rlsguard.exemption (
    role regrole PRIMARY KEY,
    reason text NOT NULL,
    until date
);
COMMENT ON TABLE rlsguard.exemption IS 'Roles that no opt-out hides rows from, through the day "until" (UTC)';

-- A crash empties an unlogged table, and with it what policies ask.
ALTER TABLE rlsguard.subject SET LOGGED;
ALTER TABLE rlsguard.purpose SET LOGGED;
ALTER TABLE rlsguard.role_purpose SET LOGGED;
ALTER TABLE rlsguard.exemption SET LOGGED;

-- Row security that somebody switches on here must not empty the tables for the guard itself, whoever owns them after a
-- restore. Who may read them is a matter of rights: nobody but auditors.
ALTER TABLE rlsguard.subject ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE rlsguard.purpose ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE rlsguard.role_purpose ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE rlsguard.exemption ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.subject;
DROP POLICY IF EXISTS guard ON rlsguard.purpose;
DROP POLICY IF EXISTS guard ON rlsguard.role_purpose;
DROP POLICY IF EXISTS guard ON rlsguard.exemption;
CREATE POLICY guard ON rlsguard.subject USING (true);
CREATE POLICY guard ON rlsguard.purpose USING (true);
CREATE POLICY guard ON rlsguard.role_purpose USING (true);
CREATE POLICY guard ON rlsguard.exemption USING (true);
GRANT SELECT ON rlsguard.subject, rlsguard.purpose, rlsguard.role_purpose, rlsguard.exemption TO rlsguard_auditor;

RESET ROLE;
