-- Publications that send rows of some tables. Given: tables.
SELECT p.pubname, p.puballtables, array_agg(c.oid ORDER BY c.oid),
       -- the publication names the schema, not the table
       EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS s WHERE s.pnpubid = p.oid)
FROM pg_catalog.pg_publication AS p
CROSS JOIN LATERAL pg_get_publication_tables(p.pubname) AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
-- a partitioned table is listed by its partitions, or they by it
WHERE c.oid = ANY (%s::oid[])
GROUP BY p.oid, p.pubname, p.puballtables
ORDER BY 1
