-- A role that is no superuser joins the guard's owner for this transaction; it leaves at the end.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rlsguard_owner')
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
    THEN
        GRANT rlsguard_owner TO CURRENT_USER;
    END IF;
END
$$;
