CREATE VIEW bank.movement WITH (security_invoker) AS SELECT * FROM bank.trans;
CREATE OR REPLACE VIEW bank.movement WITH (security_invoker = on, security_barrier) AS SELECT * FROM bank.trans;
CREATE VIEW bank.statement AS SELECT * FROM bank.trans;
ALTER VIEW bank.statement SET (security_invoker = yes);
CREATE VIEW bank.summary WITH (security_invoker = 1) AS SELECT * FROM bank.statement;
