-- expect: RG525
ALTER ROLE campaign_app SET session_replication_role = replica;
-- expect: RG525
ALTER DATABASE bank SET pgaudit.log = 'none';
-- expect: RG525
GRANT SET ON PARAMETER session_replication_role TO campaign_app;
