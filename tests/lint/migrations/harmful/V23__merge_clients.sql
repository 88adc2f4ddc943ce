-- expect: RG517
UPDATE bank.disp SET client_id = 3 WHERE client_id IN (1, 2);
