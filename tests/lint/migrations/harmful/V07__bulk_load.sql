BEGIN;
-- expect: RG504
ALTER TABLE bank.trans DISABLE TRIGGER ALL;
UPDATE bank.trans SET amount = amount * 1.01;
-- expect: RG504
ALTER TABLE bank.trans ENABLE TRIGGER ALL;
COMMIT;
