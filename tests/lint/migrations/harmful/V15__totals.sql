-- expect: RG511
CREATE MATERIALIZED VIEW bank.spending AS
SELECT client_id, sum(amount) AS total
FROM bank.trans
JOIN bank.disp USING (account_id)
GROUP BY client_id;
GRANT SELECT ON bank.spending TO campaign_app;
