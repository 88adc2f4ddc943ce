-- The guard's configuration rows, hashed like the definition of an object.
SELECT 'rows rlsguard.map' AS object,
       encode(sha256(convert_to(concat_ws(E'\n',
           (SELECT json_agg(s ORDER BY s.kind) FROM rlsguard.subject AS s),
           (SELECT json_agg(p ORDER BY p.purpose) FROM rlsguard.purpose AS p),
           (SELECT json_agg(r ORDER BY r.role::oid, r.purpose) FROM rlsguard.role_purpose AS r),
           (SELECT json_agg(e ORDER BY e.role::oid) FROM rlsguard.exemption AS e)), 'UTF8')), 'hex') AS hash
