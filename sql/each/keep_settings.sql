-- What follows changes settings of this transaction, which goes on afterwards with those that it has now.
SELECT pg_catalog.set_config('rlsguard.kept_settings', pg_catalog.jsonb_object_agg(s.name, s.setting)::text, true)
FROM pg_catalog.pg_settings AS s
WHERE s.name OPERATOR(pg_catalog.=) ANY ('{search_path, standard_conforming_strings, TimeZone, DateStyle, IntervalStyle,
    extra_float_digits, bytea_output, quote_all_identifiers, row_security, jit, client_min_messages, lock_timeout,
    statement_timeout, deadlock_timeout}');
-- As it was. Not everybody may set all of them, even to what they are.
SELECT set_config(kept.name, kept.setting, true)
FROM jsonb_each_text(current_setting('rlsguard.kept_settings')::jsonb) AS kept (name, setting)
JOIN pg_settings AS now ON now.name = kept.name AND now.setting <> kept.setting;
