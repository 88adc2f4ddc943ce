-- What the catalog and the guard hold about a table's values, as far as the current role may read it. Given: table.
SELECT ((SELECT count(*)
        FROM pg_catalog.pg_stats AS s
        JOIN pg_catalog.pg_class AS c ON c.relname = s.tablename
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
        WHERE c.oid = {table} OR c.oid IN (SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = {table}))
     + (SELECT count(*)
        FROM pg_catalog.pg_stats_ext AS s
        JOIN pg_catalog.pg_class AS c ON c.relname = s.tablename
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
        WHERE c.oid = {table}))::text
