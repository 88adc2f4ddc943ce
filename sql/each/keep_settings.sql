-- What follows changes settings of this transaction, which goes on afterwards with those that it has now.
SELECT pg_catalog.set_config('rlsguard.kept_settings', pg_catalog.jsonb_object_agg(s.name, s.setting)::text, true)
FROM pg_catalog.pg_settings AS s
WHERE s.name OPERATOR(pg_catalog.=) ANY ('{search_path, standard_conforming_strings, TimeZone, DateStyle, IntervalStyle,
    extra_float_digits, bytea_output, quote_all_identifiers, row_security, jit, client_min_messages, lock_timeout, statement_timeout}');
-- As it was.
SELECT set_config(s.name, s.setting, true)
FROM jsonb_each_text(current_setting('rlsguard.kept_settings')::jsonb) AS s (name, setting)
ORDER BY s.name = 'search_path';
