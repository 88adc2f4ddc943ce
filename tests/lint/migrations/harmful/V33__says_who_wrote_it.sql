-- expect: RG529
-- Made by rlsguard 0.1.0 from map.yaml (sha256 0123456789abcdef),
-- for database bank as it was, PostgreSQL 18. Running it takes no rlsguard.
BEGIN;
-- Made again below: whoever reads the file is told once.
DROP POLICY IF EXISTS "!rlsguard" ON bank.client;
CREATE POLICY "!rlsguard" ON bank.client AS RESTRICTIVE USING (true);
-- Not made again.
-- expect: RG502
DROP POLICY IF EXISTS "!rlsguard" ON bank.trans;
-- expect: RG504
DROP TRIGGER rlsguard_2_update ON bank.trans;
-- expect: RG506
DROP TABLE rlsguard.opt_out_event;
-- What rlsguard does not write.
-- expect: RG501
ALTER TABLE bank.disp DISABLE ROW LEVEL SECURITY;
-- expect: RG508
GRANT rlsguard_owner TO campaign_app;
COMMIT;
