-- expect: RG514
CREATE TABLE bank.letter (
    letter_id int PRIMARY KEY,
    client_id int NOT NULL REFERENCES bank.client,
    sent date
);
INSERT INTO bank.letter VALUES (1, 1, '2026-01-01');
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app;
CREATE TABLE bank.branch (branch_id int PRIMARY KEY, town text);
-- expect: RG514
ALTER TABLE bank.branch ADD COLUMN manager_email text, ADD COLUMN opened date;
-- expect: RG514
CREATE TABLE bank.trans_import (LIKE bank.trans INCLUDING ALL);
-- expect: RG514
ALTER TABLE bank.trans ADD COLUMN payee_id int REFERENCES bank.client (client_id);
