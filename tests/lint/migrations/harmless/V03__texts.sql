/* ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY; /* nested */ still a comment */
SELECT 'ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY;', $q$ DROP POLICY "!rlsguard" ON bank.client; $q$;
\echo ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY;
SELECT 1 AS "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY";
