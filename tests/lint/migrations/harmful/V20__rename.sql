-- expect: RG515
ALTER TABLE bank.trans RENAME TO movement;
-- It is the same table, and as protected as before.
-- expect: RG501
ALTER TABLE bank.movement DISABLE ROW LEVEL SECURITY;
-- expect: RG515
ALTER TABLE bank.disp RENAME COLUMN client_id TO holder_id;
-- expect: RG517
ALTER TABLE bank.disp ALTER COLUMN holder_id TYPE bigint;
-- expect: RG515
ALTER ROLE campaign_app RENAME TO growth_app;
