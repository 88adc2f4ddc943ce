-- Textbook: a SECURITY DEFINER function for every row.
CREATE FUNCTION bank.customer_opted_out(id integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM bank.opt_out AS o WHERE o.customer_id = id AND o.purpose = 'marketing') $$;
CREATE FUNCTION bank.payment_opted_out(id integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM bank.payments AS p JOIN bank.opt_out AS o USING (customer_id)
        WHERE p.payment_id = id AND o.purpose = 'marketing'
    )
$$;
ALTER TABLE bank.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE bank.payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE bank.items ENABLE ROW LEVEL SECURITY;
CREATE POLICY opt_out ON bank.customers USING (NOT bank.customer_opted_out(customer_id));
CREATE POLICY opt_out ON bank.payments USING (NOT bank.customer_opted_out(customer_id));
CREATE POLICY opt_out ON bank.items USING (NOT bank.payment_opted_out(payment_id));
