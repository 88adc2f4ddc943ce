CREATE POLICY opening_hours ON bank.trans AS RESTRICTIVE FOR INSERT TO teller_app
    WITH CHECK (extract(hour FROM now()) BETWEEN 8 AND 18);
ALTER POLICY opening_hours ON bank.trans RENAME TO hours;
DROP POLICY hours ON bank.trans;
ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
