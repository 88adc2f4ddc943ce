-- expect: RG527
CREATE FOREIGN TABLE bank.client_mirror (client_id int) SERVER self OPTIONS (schema_name 'bank', table_name 'client');
-- expect: RG527
IMPORT FOREIGN SCHEMA bank EXCEPT (disp) FROM SERVER self INTO mirror;
