-- Names, definitions and keys read the same whatever the session was set to; keys as the ledger spells them.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL quote_all_identifiers = off;
SET LOCAL row_security = on;
-- Compiling a query on the catalog takes ten times as long as running it.
SET LOCAL jit = off;
SET LOCAL client_min_messages = warning;
