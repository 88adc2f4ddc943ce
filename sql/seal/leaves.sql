-- The leaves of a tree with the entries that they are of.
SELECT l.index, l.source, l.entry, l.hash,
       coalesce(e.payload, o.payload, x.payload, c.payload, r.payload) AS payload,
       coalesce(e.leaf_hash, o.leaf_hash, x.leaf_hash, c.leaf_hash, r.leaf_hash) AS leaf_hash,
       e.place, x.entries, x.changes, x.with_key, coalesce(o.subject_kind, x.subject_kind) AS subject_kind,
       coalesce(o.transaction_id, x.transaction_id, c.transaction_id, r.transaction_id)::text AS transaction_id,
       o.key_salt, coalesce(o.salt, c.salt) AS salt, o.subject_key, o.purpose, o.action, o.version,
       to_char(o.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS recorded_at,
       to_char(o.requested_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS requested_at,
       o.actor, o.recorded_by, o.recorded_as, abbrev(o.client_address) AS client_address, o.application_name,
       o.reason, o.context::text AS context_text, o.previous_hash,
       to_json(c.changed_at AT TIME ZONE 'UTC') #>> '{}' AS changed_at, c.content,
       r.entries::text AS retired, to_char(r.before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS before,
       -- By way of arrays, whose length is not guessed: then what was erased is hashed, and not read again for each leaf.
       coalesce(o.id IN (SELECT unnest(ARRAY(SELECT unnest(u.entries) FROM rlsguard.erasure AS u))), false)
       OR coalesce(c.id IN (SELECT unnest(ARRAY(SELECT unnest(u.changes) FROM rlsguard.erasure AS u))), false) AS erased,
       coalesce(
           o.id IN (SELECT unnest(ARRAY(SELECT unnest(u.entries) FROM rlsguard.erasure AS u WHERE u.with_key))), false
       ) AS key_erased
FROM rlsguard.log_leaf AS l
LEFT JOIN rlsguard.log_epoch AS e ON l.source = 'log_epoch' AND e.epoch = l.entry
LEFT JOIN rlsguard.opt_out_event AS o ON l.source = 'opt_out_event' AND o.id = l.entry
LEFT JOIN rlsguard.erasure AS x ON l.source = 'erasure' AND x.id = l.entry
LEFT JOIN rlsguard.change_entry AS c ON l.source = 'change_entry' AND c.id = l.entry
LEFT JOIN rlsguard.retention AS r ON l.source = 'retention' AND r.id = l.entry
WHERE l.epoch = %s
ORDER BY l.index
