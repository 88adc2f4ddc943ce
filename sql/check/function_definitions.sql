-- The statement that makes each of some functions. Given: functions.
SELECT f.oid, pg_get_functiondef(f.oid)
FROM unnest(%s::oid[]) AS f (oid)
