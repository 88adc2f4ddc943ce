-- Tables of the same names, in another schema.
SET search_path = archive, public;
CREATE TABLE trans (id int);
ALTER TABLE trans DISABLE ROW LEVEL SECURITY;
DROP TABLE trans CASCADE;
TRUNCATE archive.client;
CREATE PUBLICATION feed FOR TABLE archive.client;
CREATE TABLE archive.log (at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE archive.log_2026 PARTITION OF archive.log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE archive.log DETACH PARTITION archive.log_2026;
