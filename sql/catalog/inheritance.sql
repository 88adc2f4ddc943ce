SELECT inhrelid, inhparent
FROM pg_inherits
ORDER BY inhrelid, inhseqno
