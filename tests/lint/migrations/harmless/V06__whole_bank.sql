-- About all rows together, and nobody in particular.
CREATE VIEW bank.totals AS SELECT count(*) AS transactions, sum(amount) AS amount FROM bank.trans;
CREATE MATERIALIZED VIEW bank.size AS SELECT count(*) FROM bank.client;
