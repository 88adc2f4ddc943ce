-- A role that is no superuser joins the guard's own roles for this transaction; it leaves at the end.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rlsguard_nobody')
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
    THEN
        GRANT rlsguard_owner, rlsguard_nobody TO CURRENT_USER;
    END IF;
END
$$;
