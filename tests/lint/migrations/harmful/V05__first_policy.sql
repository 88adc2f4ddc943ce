CREATE FUNCTION bank.note_access(n numeric) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'amount %', n;
    RETURN true;
END
$$;
-- expect: RG502
CREATE POLICY " audit" ON bank.trans AS RESTRICTIVE USING (bank.note_access(amount));
