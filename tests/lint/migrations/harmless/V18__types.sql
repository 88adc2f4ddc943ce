CREATE TYPE bank.channel AS ENUM ('branch', 'web');
DROP TYPE bank.channel CASCADE;
DROP EXTENSION IF EXISTS pg_trgm CASCADE;
DROP FUNCTION IF EXISTS bank.unused() CASCADE;
DROP VIEW IF EXISTS bank.unused CASCADE;
SET LOCAL row_security = on;
SET session_replication_role = replica;
INSERT INTO bank.tariff VALUES ('c', 3, '');
RESET session_replication_role;
