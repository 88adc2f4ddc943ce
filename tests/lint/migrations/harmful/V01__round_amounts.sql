-- The nightly job was slow, "policies off for a moment".
-- expect: RG501
ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY;
UPDATE bank.trans SET amount = round(amount, 2);
