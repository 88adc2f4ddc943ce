SET session_replication_role = replica;
-- expect: RG504 RG517
DELETE FROM bank.disp WHERE account_id = 10;
RESET session_replication_role;
