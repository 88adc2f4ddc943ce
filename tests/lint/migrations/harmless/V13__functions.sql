CREATE FUNCTION bank.balance(account int) RETURNS numeric LANGUAGE sql STABLE
    RETURN (SELECT sum(t.amount) FROM bank.trans AS t WHERE t.account_id = account);
CREATE FUNCTION bank.today() RETURNS date LANGUAGE sql SECURITY DEFINER AS 'SELECT current_date';
CREATE FUNCTION bank.kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM bank.account WHERE account_id = NEW.account_id;
    RETURN NEW;
END
$$;
CREATE FUNCTION bank.mine() RETURNS SETOF bank.trans LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM bank.trans';
ALTER FUNCTION bank.mine() OWNER TO campaign_app;
