SELECT * FROM rlsguard.opt_out('client', '42', '{marketing}', 'agent:jane', 'phone call', '{}');
SELECT count(*) FROM rlsguard.opt_out_event;
-- expect: RG509
GRANT rlsguard_recorder TO teller_app;
