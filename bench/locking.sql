-- Ways to lock a table, beside rlsguard.lock_table().
CREATE PROCEDURE public.seconds_at_a_time(its_name regclass)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR try IN 1 .. 20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '2s', true);
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', its_name);
            RETURN;
        EXCEPTION
            WHEN lock_not_available THEN NULL;
        END;
        PERFORM pg_sleep(least(0.2 * 2 ^ try, 10));
    END LOOP;
    RAISE lock_not_available;
END
$$;

CREATE PROCEDURE public.moments_at_a_time(its_name regclass)
LANGUAGE plpgsql
AS $$
BEGIN
    LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '50ms', true);
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', its_name);
            RETURN;
        EXCEPTION
            WHEN lock_not_available THEN NULL;
        END;
        PERFORM pg_sleep(0.5);
    END LOOP;
END
$$;

CREATE PROCEDURE public.without_waiting(its_name regclass)
LANGUAGE plpgsql
AS $$
BEGIN
    LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', its_name);
            RETURN;
        EXCEPTION
            WHEN lock_not_available THEN NULL;
        END;
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
