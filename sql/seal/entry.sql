-- An entry of the ledger, its leaf, and the latest checkpoint that has it.
SELECT l.epoch, l.index, e.payload, e.key_salt, e.salt, e.subject_key, e.actor, host(e.client_address) AS client_address,
       e.application_name, e.reason, e.context::text AS context,
       (SELECT c.note FROM rlsguard.log_checkpoint AS c
        WHERE c.epoch = l.epoch AND c.size > l.index
        ORDER BY c.size DESC, c.kept_at DESC LIMIT 1) AS note
FROM rlsguard.opt_out_event AS e
LEFT JOIN rlsguard.log_leaf AS l ON l.source = 'opt_out_event' AND l.entry = e.id
WHERE e.id = %s
