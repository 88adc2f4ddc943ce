ALTER TABLE bank.trans ADD COLUMN channel text NOT NULL DEFAULT 'branch';
ALTER TABLE bank.trans ALTER COLUMN amount TYPE numeric(14, 2);
ALTER TABLE bank.trans ADD CONSTRAINT amount_is_not_zero CHECK (amount <> 0) NOT VALID;
ALTER TABLE bank.trans DROP CONSTRAINT amount_is_not_zero;
ALTER TABLE bank.trans RENAME COLUMN channel TO via;
ALTER TABLE bank.trans DROP COLUMN via CASCADE;
