CREATE TABLE bank.tariff (code text PRIMARY KEY, fee numeric, note text);
COPY bank.tariff (code, fee, note) FROM stdin;
a	1	it's; DROP TABLE bank.client CASCADE;
b	2	"quoted
\.
SELECT count(*) FROM bank.tariff;
