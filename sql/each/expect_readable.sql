-- What policies still ask must stay readable to them, or nobody reads their tables.
DO $$
DECLARE
    asking text;
BEGIN
    SELECT string_agg(DISTINCT format('%s reads %s.%I', v.oid::regclass, d.refobjid::regclass, a.attname), ', ')
    INTO asking
    FROM pg_class AS v
    JOIN pg_rewrite AS r ON r.ev_class = v.oid
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE v.relnamespace = 'rlsguard_views'::regnamespace AND d.refobjsubid > 0
      AND NOT has_column_privilege(v.relowner, d.refobjid, a.attnum, 'SELECT');
    IF asking IS NOT NULL THEN
        RAISE EXCEPTION 'policies made since need what this would take back: %', asking
            USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Undo first what was made later.';
    END IF;
END
$$;
