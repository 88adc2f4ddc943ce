-- expect: RG517
TRUNCATE bank.disp;
-- expect: RG518
TRUNCATE bank.trans;
