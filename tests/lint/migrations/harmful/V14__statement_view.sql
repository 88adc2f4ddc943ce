-- expect: RG510
CREATE OR REPLACE VIEW bank.statement AS
SELECT t.trans_id, t.amount, d.client_id
FROM bank.trans AS t
JOIN bank.disp AS d USING (account_id);
GRANT SELECT ON bank.statement TO campaign_app;

CREATE VIEW bank.movement WITH (security_invoker = true) AS SELECT * FROM bank.trans;
-- expect: RG510
CREATE VIEW bank.movement_2026 AS SELECT * FROM bank.movement;
-- expect: RG510
ALTER VIEW bank.movement RESET (security_invoker);
