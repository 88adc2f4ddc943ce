SELECT l.hash
FROM rlsguard.log_leaf AS l
WHERE l.epoch = %(epoch)s AND l.index >= %(start)s AND l.index < %(stop)s
ORDER BY l.index
