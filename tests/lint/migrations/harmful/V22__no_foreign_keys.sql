-- expect: RG517
ALTER TABLE bank.disp DROP CONSTRAINT disp_account_id_fkey;
-- expect: RG517
ALTER TABLE bank.disp DROP CONSTRAINT disp_client_id_fkey,
    ADD FOREIGN KEY (client_id) REFERENCES bank.client ON UPDATE CASCADE;
-- expect: RG517
DELETE FROM bank.disp WHERE account_id = 10;
