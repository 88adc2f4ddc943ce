-- expect: RG513
CREATE FUNCTION bank.amounts(account int) RETURNS SETOF numeric
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bank AS $$
BEGIN
    RETURN QUERY SELECT t.amount FROM trans AS t WHERE t.account_id = account;
END
$$;
CREATE FUNCTION bank.born(who int) RETURNS text LANGUAGE sql AS
    'SELECT birth_number FROM bank.client WHERE client_id = who';
-- expect: RG513
ALTER FUNCTION bank.born(int) SECURITY DEFINER;
