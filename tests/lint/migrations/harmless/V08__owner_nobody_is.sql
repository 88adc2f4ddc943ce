CREATE ROLE bank_owner NOLOGIN;
ALTER TABLE bank.trans OWNER TO bank_owner;
ALTER SCHEMA bank OWNER TO bank_owner;
