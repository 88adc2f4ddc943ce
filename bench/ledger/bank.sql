-- What is audited, with %(rows)s rows to update. No randomness: every run has the same rows.
CREATE SCHEMA bank;
CREATE TABLE bank.person (person_id integer PRIMARY KEY);
CREATE TABLE bank.account (account_id integer PRIMARY KEY);
CREATE TABLE bank.trans (
    trans_id integer PRIMARY KEY,
    account_id integer NOT NULL,
    amount numeric NOT NULL,
    at date NOT NULL,
    kind text NOT NULL,
    note text
);
INSERT INTO bank.account SELECT generate_series(0, 4499);
INSERT INTO bank.trans
SELECT i, i %% 4500, i * 1.5, date '2026-01-01' + i %% 300, 'credit', 'payment for an order'
FROM generate_series(1, %(rows)s) AS i;
CREATE INDEX ON bank.trans (account_id);

-- What is inserted into: one costs little without an audit, the other as much as tables usually do.
CREATE TABLE bank.bare (LIKE bank.trans, PRIMARY KEY (trans_id));
CREATE TABLE bank.keyed (LIKE bank.trans, PRIMARY KEY (trans_id), FOREIGN KEY (account_id) REFERENCES bank.account);
CREATE INDEX ON bank.keyed (account_id);

-- Each row in a transaction of its own, without a client between them.
CREATE PROCEDURE bank.update_one_by_one(times integer)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 0 .. times - 1 LOOP
        UPDATE bank.trans SET amount = amount + 1 WHERE trans_id = 1 + i %% %(rows)s;
        COMMIT;
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA bank TO writer;
GRANT SELECT, INSERT, UPDATE ON bank.trans, bank.bare, bank.keyed TO writer;
