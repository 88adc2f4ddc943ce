SELECT n.hash
FROM rlsguard.log_node AS n
WHERE n.epoch = %(epoch)s AND n.level = %(level)s AND n.index >= %(start)s AND n.index < %(stop)s
ORDER BY n.index
