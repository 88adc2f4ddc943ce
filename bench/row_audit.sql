-- Textbook: an audit trigger for every row.
CREATE TABLE bank.audit (at timestamptz, by text, operation text, old jsonb, new jsonb);
CREATE FUNCTION bank.audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO bank.audit VALUES (clock_timestamp(), session_user, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.payments
FOR EACH ROW EXECUTE FUNCTION bank.audit();
