SET search_path = bank;
-- expect: RG502
DROP POLICY IF EXISTS "!rlsguard" ON client;
-- expect: RG502
ALTER POLICY "rlsguard baseline" ON client USING (true);
