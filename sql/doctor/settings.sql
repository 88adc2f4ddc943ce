-- The settings that matter to the guard, as the server has them for this login.
SELECT current_setting('session_replication_role') AS replication_role,
       current_setting('row_security') AS row_security,
       current_setting('log_statement') AS log_statement,
       pg_size_bytes(current_setting('work_mem')) AS work_mem,
       current_setting('hash_mem_multiplier')::float8 AS hash_mem_multiplier,
       -- False too where the library for it is not there.
       pg_jit_available() AS jit,
       current_setting('jit_above_cost')::float8 AS jit_above_cost,
       (SELECT boot_val::float8 FROM pg_settings WHERE name = 'jit_above_cost') AS jit_above_cost_default
