-- The types of all columns, and those that they are made of. A type is compared by the btree operator class that is
-- its default: its own, or that of a type it is binary-coercible to (GetDefaultOpClass in commands/indexcmds.c).
WITH RECURSIVE needed (oid) AS (
    SELECT a.atttypid
    FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attrelid >= 16384
      AND a.attnum > 0
      AND NOT a.attisdropped
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION
    SELECT p.part
    FROM needed
    JOIN pg_type AS t ON t.oid = needed.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL
        SELECT t.typelem WHERE t.typsubscript = 'array_subscript_handler'::regproc
        UNION ALL
        SELECT f.atttypid FROM pg_attribute AS f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0
    ) AS p (part)
    WHERE p.part <> 0
),
compared (type, by, schema, preferred) AS (
    SELECT oc.opcintype, oc.opcintype, n.nspname, t.typispreferred
    FROM pg_opclass AS oc
    JOIN pg_am AS am ON am.oid = oc.opcmethod
    JOIN pg_type AS t ON t.oid = oc.opcintype
    JOIN pg_amop AS ao ON ao.amopfamily = oc.opcfamily
                      AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
                      AND ao.amopstrategy = 3 -- BTEqualStrategyNumber
    JOIN pg_operator AS o ON o.oid = ao.amopopr
    JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE am.amname = 'btree' AND oc.opcdefault AND o.oprname = '='
)
SELECT t.oid,
       -- With -1, unlike NULL, a character type without length is not spelled like character(1).
       format_type(t.oid, -1),
       t.typcategory,
       CASE t.typtype WHEN 'd' THEN t.typbasetype END,
       CASE
           WHEN t.typtype = 'c' THEN
               ARRAY(SELECT f.atttypid FROM pg_attribute AS f
                     WHERE f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped)
           WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN ARRAY[t.typelem]
           ELSE '{}'
       END,
       equality.schema,
       equality.by
FROM needed
JOIN pg_type AS t ON t.oid = needed.oid
LEFT JOIN LATERAL (
    SELECT c.schema, format_type(c.by, -1), 1
    FROM compared AS c
    WHERE c.type = t.oid
    UNION ALL
    -- Values of these are compared with values of the very same type only.
    SELECT 'pg_catalog', format_type(t.oid, -1), 2
    WHERE t.typtype IN ('e', 'c', 'r', 'm')
       OR t.typsubscript = 'array_subscript_handler'::regproc
    UNION ALL
    SELECT c.schema, format_type(c.by, -1), CASE WHEN c.preferred THEN 3 ELSE 4 END
    FROM pg_cast AS k
    JOIN compared AS c ON c.type = k.casttarget
    WHERE k.castsource = t.oid AND k.castmethod = 'b' AND k.castcontext = 'i'
    ORDER BY 3
    LIMIT 1
) AS equality (schema, by) ON true
