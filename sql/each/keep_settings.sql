-- What follows changes settings of this transaction, which goes on afterwards with those that it has now. What is kept
-- already, for what this is part of, is kept as well.
SELECT pg_catalog.set_config('rlsguard.kept_settings', pg_catalog.jsonb_object_agg(s.name, s.setting)::text, true)
FROM (
    SELECT name, setting
    FROM pg_catalog.pg_settings
    WHERE name OPERATOR(pg_catalog.=) ANY ('{search_path, standard_conforming_strings, TimeZone, DateStyle, IntervalStyle,
        extra_float_digits, bytea_output, quote_all_identifiers, row_security, jit, client_min_messages, lock_timeout,
        statement_timeout, deadlock_timeout}')
    UNION ALL
    SELECT 'rlsguard.kept_settings', COALESCE(pg_catalog.current_setting('rlsguard.kept_settings', true), '')
) AS s;
-- As it was. Not everybody may set all of them, even to what they are.
SELECT set_config(kept.name, kept.setting, true)
FROM jsonb_each_text(current_setting('rlsguard.kept_settings')::jsonb) AS kept (name, setting)
LEFT JOIN pg_settings AS now ON now.name = kept.name
WHERE now.setting IS DISTINCT FROM kept.setting;
