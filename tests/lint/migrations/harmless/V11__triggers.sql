CREATE FUNCTION bank.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.amount := round(NEW.amount, 2);
    RETURN NEW;
END
$$;
CREATE TRIGGER touch BEFORE INSERT ON bank.trans FOR EACH ROW EXECUTE FUNCTION bank.touch();
ALTER TABLE bank.trans DISABLE TRIGGER touch;
ALTER TABLE bank.trans ENABLE TRIGGER touch;
DROP TRIGGER touch ON bank.trans;
