-- An entry of row changes, its leaf, and the latest checkpoint that has it.
SELECT l.epoch, l.index, e.payload, e.salt, e.content,
       (SELECT c.note FROM rlsguard.log_checkpoint AS c
        WHERE c.epoch = l.epoch AND c.size > l.index
        ORDER BY c.size DESC, c.kept_at DESC LIMIT 1) AS note
FROM rlsguard.change_entry AS e
LEFT JOIN rlsguard.log_leaf AS l ON l.source = 'change_entry' AND l.entry = e.id
WHERE e.id = %s
