CREATE FOREIGN TABLE bank.rates (day date) SERVER ecb OPTIONS (schema_name 'public', table_name 'client');
IMPORT FOREIGN SCHEMA bank LIMIT TO (rates) FROM SERVER ecb INTO mirror;
INSERT INTO bank.disp VALUES (103, 3, 20) ON CONFLICT DO NOTHING;
INSERT INTO bank.trans VALUES (1, 10, 5) ON CONFLICT (trans_id) DO UPDATE SET amount = excluded.amount;
SELECT set_config('bank.batch', '42', true), current_setting('search_path');
UPDATE bank.pg_class SET relname = 'x';
CREATE ROLE clerk LOGIN IN ROLE teller_app;
ALTER GROUP teller_app DROP USER campaign_app;
