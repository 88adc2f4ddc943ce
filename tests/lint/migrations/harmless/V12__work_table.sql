CREATE TEMP TABLE doubled AS SELECT trans_id, amount * 2 AS amount FROM bank.trans;
UPDATE bank.trans AS t SET amount = d.amount FROM doubled AS d WHERE d.trans_id = t.trans_id;
INSERT INTO bank.trans (trans_id, account_id, amount) SELECT trans_id + 10000, account_id, 0 FROM bank.trans;
DROP TABLE doubled;
