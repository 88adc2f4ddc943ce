-- expect: RG503
CREATE POLICY branch_staff ON bank.client FOR SELECT TO teller_app USING (true);
