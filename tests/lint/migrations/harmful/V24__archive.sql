-- expect: RG519
CREATE TABLE bank.trans_archive () INHERITS (bank.trans);
INSERT INTO bank.trans_archive SELECT trans_id + 9000, account_id, amount FROM bank.trans;
GRANT SELECT ON bank.trans_archive TO campaign_app;
