-- %(customers)s customers, five payments and five items each. No randomness: every run has the same rows.
CREATE SCHEMA bank;
CREATE TABLE bank.customers (
    customer_id integer PRIMARY KEY,
    name text NOT NULL,
    score integer NOT NULL
);
CREATE TABLE bank.payments (
    payment_id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES bank.customers,
    amount integer NOT NULL,
    paid_on date NOT NULL,
    memo text NOT NULL
);
CREATE TABLE bank.items (
    item_id integer PRIMARY KEY,
    payment_id integer NOT NULL REFERENCES bank.payments,
    price integer NOT NULL,
    quantity integer NOT NULL
);
INSERT INTO bank.customers
SELECT i, 'customer ' || i, abs(hashint4(i + 7)::bigint) %% 1000
FROM generate_series(1, %(customers)s) AS i;
INSERT INTO bank.payments
SELECT i, 1 + abs(hashint4(i)::bigint) %% %(customers)s, abs(hashint4(i + 1)::bigint) %% 100000,
       date '2020-01-01' + i %% 2000, 'payment for an order'
FROM generate_series(1, 5 * %(customers)s) AS i;
INSERT INTO bank.items
SELECT i, 1 + abs(hashint4(i + 3)::bigint) %% (5 * %(customers)s), abs(hashint4(i + 5)::bigint) %% 1000, 1 + i %% 9
FROM generate_series(1, 5 * %(customers)s) AS i;
CREATE INDEX ON bank.payments (customer_id);
CREATE INDEX ON bank.items (payment_id);

-- What the variants without rlsguard look opt-outs up in.
CREATE TABLE bank.opt_out (customer_id integer, purpose text, PRIMARY KEY (customer_id, purpose));
GRANT USAGE ON SCHEMA bank TO reader;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA bank TO reader;
