-- A role that is no superuser joins the guard's own roles for this transaction; it leaves at the end.
DO $$
DECLARE
    applier name := current_user;
BEGIN
    -- What follows goes on as the session's own role each time. Another than now would own what is made, and stay a member.
    RESET ROLE;
    IF current_user <> applier THEN
        RAISE EXCEPTION 'SET ROLE % does not last through these statements', quote_ident(applier)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Log in as %1$I, or have the session begin as it: ALTER ROLE %2$I SET role = %1$I, or '
                                'the connection option -c role=%1$s', applier, session_user);
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rlsguard_nobody')
       AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
    THEN
        IF current_setting('server_version_num')::int >= 160000
           AND NOT pg_has_role('rlsguard_owner', 'MEMBER WITH ADMIN OPTION')
        THEN
            RAISE EXCEPTION '% may not act as rlsguard_owner', current_user
                USING ERRCODE = 'insufficient_privilege',
                      HINT = format('A superuser can let it: GRANT rlsguard_owner, rlsguard_nobody TO %I '
                                    'WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;', current_user);
        END IF;
        IF current_setting('server_version_num')::int >= 160000 THEN
            EXECUTE format('GRANT rlsguard_owner, rlsguard_nobody TO %I WITH INHERIT TRUE, SET TRUE', current_user);
        ELSE
            GRANT rlsguard_owner, rlsguard_nobody TO CURRENT_USER;
        END IF;
        IF NOT pg_has_role('rlsguard_owner', 'USAGE') THEN
            RAISE EXCEPTION '% does not inherit, and so cannot act as rlsguard_owner', current_user
                USING ERRCODE = 'insufficient_privilege', HINT = format('ALTER ROLE %I INHERIT;', current_user);
        END IF;
    END IF;
END
$$;
