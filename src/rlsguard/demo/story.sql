-- What an application has around its tables, and two more ways to come in.
SET ROLE bank_owner;
CREATE VIEW bank.trans_of_invoker WITH (security_invoker = true) AS SELECT trans_id FROM bank.trans;
CREATE VIEW bank.trans_of_owner AS SELECT trans_id FROM bank.trans;
CREATE FUNCTION bank.all_trans() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT trans_id FROM bank.trans;
END;
GRANT SELECT ON bank.trans_of_invoker, bank.trans_of_owner TO campaign_app;
RESET ROLE;

-- A connection pool logs in once and becomes whom it serves, transaction by transaction.
CREATE ROLE app_pool LOGIN NOINHERIT IN ROLE campaign_app, teller_app;

-- Somebody nobody thought of when the data map was written.
CREATE ROLE newcomer LOGIN;
GRANT USAGE ON SCHEMA bank TO newcomer;
GRANT SELECT ON bank.trans TO newcomer;
