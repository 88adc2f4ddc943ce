-- expect: RG512
CREATE TABLE bank.client_2026 AS SELECT * FROM bank.client;
GRANT SELECT ON bank.client_2026 TO campaign_app;
-- expect: RG512
SELECT account_id, count(*) INTO bank.busy FROM bank.trans GROUP BY account_id;
CREATE TABLE bank.digest (day date, what text);
-- expect: RG512
INSERT INTO bank.digest
WITH client AS (SELECT birth_number FROM bank.client)
SELECT current_date, birth_number FROM client;
-- expect: RG512
COPY (SELECT * FROM bank.digest) TO '/tmp/digest.csv';
-- expect: RG512
\copy bank.client to clients.csv csv
