-- Publications that send rows of some tables; and by what they name these: tables, and schemas. Given: tables.
WITH sent (publication, oid) AS (
    SELECT p.oid, t.relid
    FROM pg_catalog.pg_publication AS p
    CROSS JOIN LATERAL pg_get_publication_tables(p.pubname) AS t
    WHERE t.relid = ANY (%s::oid[])
),
-- a partitioned table is sent as its partitions, or they as it, and either may be what is named
kin (publication, oid) AS (
    SELECT s.publication, s.oid FROM sent AS s
    UNION
    SELECT s.publication, a.oid FROM sent AS s CROSS JOIN LATERAL pg_partition_ancestors(s.oid) AS a (oid)
    UNION
    SELECT s.publication, t.relid FROM sent AS s CROSS JOIN LATERAL pg_partition_tree(s.oid) AS t
)
SELECT p.pubname, p.puballtables,
       ARRAY(SELECT s.oid FROM sent AS s WHERE s.publication = p.oid ORDER BY 1),
       ARRAY(SELECT k.oid::regclass::text
             FROM kin AS k
             JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = k.publication AND r.prrelid = k.oid
             WHERE k.publication = p.oid ORDER BY 1),
       ARRAY(SELECT DISTINCT quote_ident(n.nspname)
             FROM kin AS k
             JOIN pg_catalog.pg_class AS c ON c.oid = k.oid
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_publication_namespace AS s ON s.pnpubid = k.publication AND s.pnnspid = n.oid
             WHERE k.publication = p.oid ORDER BY 1)
FROM pg_catalog.pg_publication AS p
WHERE p.oid IN (SELECT s.publication FROM sent AS s)
ORDER BY 1
