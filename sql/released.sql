-- The purposes and kinds of person that there are, or that anybody has ever opted out of.
SELECT p.purpose FROM rlsguard.purpose AS p
UNION
SELECT s.kind FROM rlsguard.subject AS s
UNION
SELECT e.subject_kind FROM rlsguard.opt_out_event AS e
UNION
SELECT e.purpose FROM rlsguard.opt_out_event AS e
