-- What the map says of a table, it says of the name that it has in the end.
CREATE TABLE bank.entry_new (client_id int REFERENCES bank.client, amount numeric);
ALTER TABLE bank.entry_new RENAME TO entry;
CREATE TABLE bank.scratch AS SELECT * FROM bank.trans;
DROP TABLE bank.scratch;
