-- expect: RG515
DROP TABLE bank.trans;
-- expect: RG516
DROP SCHEMA bank CASCADE;
-- expect: RG516
DROP EXTENSION citext CASCADE;
