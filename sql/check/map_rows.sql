-- What the guard goes by, in the words that the map's are put into. A role that was dropped is only a number.
SELECT 'subject', s.kind,
       coalesce((SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname)
                 FROM pg_attribute AS a
                 JOIN pg_class AS c ON c.oid = a.attrelid
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE a.attrelid = s.table_oid AND a.attnum = s.key_number AND NOT a.attisdropped),
                s.subject_table || '.' || s.key_column) || ' ' || s.key_type
FROM rlsguard.subject AS s
UNION ALL
SELECT 'purpose', p.purpose, CASE WHEN p.opt_out THEN 'people can opt out' ELSE 'nobody can opt out' END
FROM rlsguard.purpose AS p
UNION ALL
SELECT 'role', r.role::text, r.purpose
FROM rlsguard.role_purpose AS r
UNION ALL
SELECT 'exempt', e.role::text, e.reason || coalesce(' (until ' || e.until || ')', '')
FROM rlsguard.exemption AS e
