CREATE TABLE bank.branch (branch_id int PRIMARY KEY, name text, city text, email_sent_at timestamptz, client_count int);
ALTER TABLE bank.branch ADD COLUMN country text, ADD COLUMN has_phone boolean;
ALTER TABLE bank.branch ADD CONSTRAINT head_office FOREIGN KEY (branch_id) REFERENCES bank.branch;
ALTER TABLE bank.branch DISABLE TRIGGER ALL;
ALTER TABLE bank.branch ENABLE ROW LEVEL SECURITY;
ALTER TABLE bank.branch DISABLE ROW LEVEL SECURITY;
ALTER TABLE bank.branch RENAME TO office;
TRUNCATE bank.office CASCADE;
DROP TABLE bank.office CASCADE;
