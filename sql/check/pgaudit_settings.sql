-- Settings of pgaudit as a new session of nobody in particular gets them; a mere setting of that name does not show.
SELECT s.name, s.reset_val
FROM pg_settings AS s
WHERE s.name LIKE 'pgaudit.%'
