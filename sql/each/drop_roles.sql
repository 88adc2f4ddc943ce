-- Its roles go too, but where a ledger stays, another database of this server has a guard, or somebody records or audits.
DO $$
DECLARE
    its_name name;
BEGIN
    FOREACH its_name IN ARRAY '{rlsguard_recorder, rlsguard_auditor, rlsguard_sealer, rlsguard_nobody, rlsguard_owner}'::name[]
    LOOP
        IF to_regnamespace('rlsguard') IS NULL
           AND (its_name IN ('rlsguard_nobody', 'rlsguard_owner')
                OR NOT EXISTS (SELECT FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.roleid
                               WHERE r.rolname = its_name AND m.member <> current_user::regrole))
        THEN
            BEGIN
                EXECUTE format('DROP ROLE IF EXISTS %I', its_name);
            EXCEPTION
                WHEN dependent_objects_still_exist THEN NULL;
            END;
        END IF;
    END LOOP;
END
$$;
