-- Prepared transactions that have changed some tables, or the guard's. Given: tables.
SELECT p.gid, p.owner, array_agg(DISTINCT c.oid)
FROM pg_catalog.pg_prepared_xacts AS p
-- its locks belong to no process, and to one virtual transaction
-- (https://www.postgresql.org/docs/current/view-pg-locks.html)
JOIN pg_catalog.pg_locks AS x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.pid IS NULL
JOIN pg_catalog.pg_locks AS l ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL AND l.locktype = 'relation'
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'v')
WHERE p.database = current_database() AND l.mode <> 'AccessShareLock'
  AND (c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN ('rlsguard', 'rlsguard_views'))
       -- a lock that is stronger than those of reading and writing: DDL
       OR c.oid = ANY (%s::oid[]) AND l.mode NOT IN ('RowShareLock', 'RowExclusiveLock'))
GROUP BY p.gid, p.owner
ORDER BY 1
