DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rlsguard_nobody')
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
    THEN
        REVOKE rlsguard_owner, rlsguard_nobody FROM CURRENT_USER;
    END IF;
END
$$;
