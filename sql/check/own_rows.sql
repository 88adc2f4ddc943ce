-- Whether the guard has the rows that it goes by. A view of that name that somebody else made says what it likes, and is found.
SELECT o.of_table, o.intact
FROM rlsguard.own_rows AS o
WHERE o.of_table IN ('guard_only', 'hop_like', 'secret')
ORDER BY 1
