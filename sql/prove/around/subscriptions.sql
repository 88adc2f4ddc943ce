-- Subscriptions that write to some tables. Given: tables.
SELECT s.subname, pg_get_userbyid(s.subowner), array_agg(r.srrelid ORDER BY r.srrelid)
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_subscription_rel AS r ON r.srsubid = s.oid
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid AND d.datname = current_database()
WHERE r.srrelid = ANY (%s::oid[])
GROUP BY s.subname, s.subowner
ORDER BY 1
