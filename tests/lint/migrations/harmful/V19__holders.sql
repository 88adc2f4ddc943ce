-- expect: RG516
ALTER TABLE bank.disp DROP COLUMN account_id CASCADE;
