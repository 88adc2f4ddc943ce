DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rlsguard_owner')
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
    THEN
        REVOKE rlsguard_owner FROM CURRENT_USER;
    END IF;
END
$$;
