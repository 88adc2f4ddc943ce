-- Textbook: NOT EXISTS. The view has its owner's rights, or else the payments' own policy would hide the hop.
CREATE VIEW bank.opted_out_payment AS
SELECT p.payment_id FROM bank.payments AS p JOIN bank.opt_out AS o USING (customer_id) WHERE o.purpose = 'marketing';
GRANT SELECT ON bank.opted_out_payment TO reader;
ALTER TABLE bank.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE bank.payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE bank.items ENABLE ROW LEVEL SECURITY;
CREATE POLICY opt_out ON bank.customers USING (
    NOT EXISTS (SELECT FROM bank.opt_out AS o WHERE o.customer_id = customers.customer_id AND o.purpose = 'marketing')
);
CREATE POLICY opt_out ON bank.payments USING (
    NOT EXISTS (SELECT FROM bank.opt_out AS o WHERE o.customer_id = payments.customer_id AND o.purpose = 'marketing')
);
CREATE POLICY opt_out ON bank.items USING (
    NOT EXISTS (SELECT FROM bank.opted_out_payment AS o WHERE o.payment_id = items.payment_id)
);
