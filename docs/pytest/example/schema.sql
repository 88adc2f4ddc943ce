-- A small shop. Roles belong to the server and outlive the database: another run may have made them, or be at it.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['newsletter_app', 'statistics_app', 'billing_app'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE SCHEMA shop;
CREATE TABLE shop.customer (customer_id int PRIMARY KEY, email text NOT NULL);
CREATE TABLE shop.purchase (
    purchase_id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES shop.customer,
    total numeric NOT NULL
);
CREATE TABLE shop.item (
    purchase_id int REFERENCES shop.purchase,
    line int,
    article text NOT NULL,
    PRIMARY KEY (purchase_id, line)
);
CREATE INDEX ON shop.purchase (customer_id);

GRANT USAGE ON SCHEMA shop TO newsletter_app, statistics_app, billing_app;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO newsletter_app, statistics_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA shop TO billing_app;

INSERT INTO shop.customer VALUES (1, 'ada@example.org'), (2, 'max@example.org');
INSERT INTO shop.purchase VALUES (10, 1, 19.90), (20, 2, 5.00);
INSERT INTO shop.item VALUES (10, 1, 'kettle'), (20, 1, 'cup');
