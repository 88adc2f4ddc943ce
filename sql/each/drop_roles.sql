-- Its roles go too, but where a ledger stays, or another database of this server has a guard.
DO $$
DECLARE
    its_name name;
BEGIN
    FOREACH its_name IN ARRAY '{rlsguard_recorder, rlsguard_auditor, rlsguard_sealer, rlsguard_nobody, rlsguard_owner}'::name[]
    LOOP
        IF to_regnamespace('rlsguard') IS NULL THEN
            BEGIN
                EXECUTE format('DROP ROLE IF EXISTS %I', its_name);
            EXCEPTION
                WHEN dependent_objects_still_exist THEN NULL;
            END;
        END IF;
    END LOOP;
END
$$;
