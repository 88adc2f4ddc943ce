-- The bank of the Berka data set (PKDD'99): the same tables, columns and values, so that the generated bank
-- and the published one load alike. A row reaches its people over disp: one of an account, or two who share it.
CREATE SCHEMA bank;
COMMENT ON SCHEMA bank IS 'Demo bank';

-- Demography of 77 districts. The published columns are called A1 to A16.
CREATE TABLE bank.district (
    a1 integer PRIMARY KEY,
    a2 text NOT NULL,
    a3 text NOT NULL,
    a4 integer NOT NULL,
    a5 integer NOT NULL,
    a6 integer NOT NULL,
    a7 integer NOT NULL,
    a8 integer NOT NULL,
    a9 integer NOT NULL,
    a10 numeric(4, 1) NOT NULL,
    a11 integer NOT NULL,
    a12 numeric(4, 2),
    a13 numeric(4, 2) NOT NULL,
    a14 integer NOT NULL,
    a15 integer,
    a16 integer NOT NULL
);
COMMENT ON COLUMN bank.district.a1 IS 'district_id';
COMMENT ON COLUMN bank.district.a2 IS 'Name';
COMMENT ON COLUMN bank.district.a3 IS 'Region';
COMMENT ON COLUMN bank.district.a4 IS 'Inhabitants';
COMMENT ON COLUMN bank.district.a5 IS 'Municipalities below 500 inhabitants';
COMMENT ON COLUMN bank.district.a6 IS 'Municipalities of 500 to 1,999 inhabitants';
COMMENT ON COLUMN bank.district.a7 IS 'Municipalities of 2,000 to 9,999 inhabitants';
COMMENT ON COLUMN bank.district.a8 IS 'Municipalities of 10,000 inhabitants and more';
COMMENT ON COLUMN bank.district.a9 IS 'Towns';
COMMENT ON COLUMN bank.district.a10 IS 'Per cent of inhabitants who live in towns';
COMMENT ON COLUMN bank.district.a11 IS 'Average salary';
COMMENT ON COLUMN bank.district.a12 IS 'Per cent unemployed, 1995';
COMMENT ON COLUMN bank.district.a13 IS 'Per cent unemployed, 1996';
COMMENT ON COLUMN bank.district.a14 IS 'Entrepreneurs among 1,000 inhabitants';
COMMENT ON COLUMN bank.district.a15 IS 'Crimes, 1995';
COMMENT ON COLUMN bank.district.a16 IS 'Crimes, 1996';

CREATE TABLE bank.client (
    client_id integer PRIMARY KEY,
    birth_number text NOT NULL,
    district_id integer NOT NULL REFERENCES bank.district
);
COMMENT ON COLUMN bank.client.birth_number IS 'Date of birth, YYMMDD; women MM + 50';

CREATE TABLE bank.account (
    account_id integer PRIMARY KEY,
    district_id integer NOT NULL REFERENCES bank.district,
    frequency text NOT NULL,
    date date NOT NULL
);
COMMENT ON COLUMN bank.account.frequency IS 'When statements are issued: monthly, weekly or after each transaction';

-- Who may use which account: its owner, and a disponent where it is joint.
CREATE TABLE bank.disp (
    disp_id integer PRIMARY KEY,
    client_id integer NOT NULL REFERENCES bank.client,
    account_id integer NOT NULL REFERENCES bank.account,
    type text NOT NULL CHECK (type IN ('OWNER', 'DISPONENT'))
);

CREATE TABLE bank.trans (
    trans_id integer PRIMARY KEY,
    account_id integer NOT NULL REFERENCES bank.account,
    date date NOT NULL,
    type text NOT NULL,
    operation text,
    amount numeric(12, 2) NOT NULL,
    balance numeric(12, 2) NOT NULL,
    k_symbol text,
    bank text,
    account text
);
COMMENT ON COLUMN bank.trans.k_symbol IS 'What the payment is for';
COMMENT ON COLUMN bank.trans.bank IS 'Bank of the partner';
COMMENT ON COLUMN bank.trans.account IS 'Account of the partner';

CREATE TABLE bank."order" (
    order_id integer PRIMARY KEY,
    account_id integer NOT NULL REFERENCES bank.account,
    bank_to text NOT NULL,
    account_to text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    k_symbol text
);
COMMENT ON TABLE bank."order" IS 'Standing orders';

CREATE TABLE bank.loan (
    loan_id integer PRIMARY KEY,
    account_id integer NOT NULL REFERENCES bank.account,
    date date NOT NULL,
    amount numeric(12, 2) NOT NULL,
    duration integer NOT NULL,
    payments numeric(12, 2) NOT NULL,
    status text NOT NULL CHECK (status IN ('A', 'B', 'C', 'D'))
);
COMMENT ON COLUMN bank.loan.duration IS 'Months';
COMMENT ON COLUMN bank.loan.status IS 'A finished; B finished, not paid; C running; D running, in debt';

CREATE TABLE bank.card (
    card_id integer PRIMARY KEY,
    disp_id integer NOT NULL REFERENCES bank.disp,
    type text NOT NULL,
    issued date NOT NULL
);

CREATE INDEX ON bank.disp (account_id);
CREATE INDEX ON bank.disp (client_id);
CREATE INDEX ON bank.trans (account_id);
CREATE INDEX ON bank."order" (account_id);
CREATE INDEX ON bank.loan (account_id);
CREATE INDEX ON bank.card (disp_id);
