-- Here client is what WITH has named, and no table.
CREATE VIEW bank.numbers AS
WITH trans AS (SELECT 1 AS n), client AS (SELECT n FROM trans)
SELECT n FROM client;
SET search_path = bank;
CREATE VIEW numbers_2 AS WITH RECURSIVE trans AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM trans WHERE n < 3) TABLE trans;
