-- expect: RG523
CREATE FUNCTION bank.said(t text) RETURNS boolean LANGUAGE plpgsql LEAKPROOF COST 0.0001 AS $$
BEGIN
    RAISE NOTICE '%', t;
    RETURN true;
END
$$;
CREATE TABLE bank.change (trans_id int, account int, amount numeric);
-- expect: RG524
CREATE RULE remember AS ON INSERT TO bank.trans DO ALSO
    INSERT INTO bank.change VALUES (new.trans_id, new.account_id, new.amount);
-- expect: RG526
CREATE CAST (text AS int) WITH INOUT AS IMPLICIT;
