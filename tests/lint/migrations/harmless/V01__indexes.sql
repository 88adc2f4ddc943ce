CREATE INDEX CONCURRENTLY trans_amount ON bank.trans (amount);
REINDEX TABLE bank.trans;
DROP INDEX IF EXISTS bank.trans_amount CASCADE;
VACUUM ANALYZE bank.trans;
COMMENT ON TABLE bank.trans IS 'row level security must not be disabled: DISABLE ROW LEVEL SECURITY';
