-- expect: RG528
UPDATE pg_catalog.pg_class SET relrowsecurity = false WHERE oid = 'bank.trans'::regclass;
