-- expect: RG520
CREATE PUBLICATION feed FOR TABLE bank.client, bank.trans;
-- expect: RG520
CREATE PUBLICATION everything FOR ALL TABLES;
