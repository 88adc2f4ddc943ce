-- What the guard sees. Following a path it must find every row of the tables on it: past row security (BYPASSRLS), or let
-- through by policies that know it. Blinded it would find nobody to hide, and everything would show.
CALL rlsguard.take_back('{guard_only, hop_like, sight, refuse_blind}');
SET LOCAL ROLE rlsguard_owner;

-- One row that only the guard sees: its owner passes row security that is not forced, all others find nothing.
-- The policies of hop tables let the guard through by it where its role has no BYPASSRLS.
CREATE TABLE IF NOT EXISTS rlsguard.guard_only (
    one boolean PRIMARY KEY CHECK (one)
);
-- A crash empties an unlogged table.
ALTER TABLE rlsguard.guard_only SET LOGGED;
-- First, for were it forced, not even its owner could write it.
ALTER TABLE rlsguard.guard_only ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
INSERT INTO rlsguard.guard_only VALUES (true) ON CONFLICT DO NOTHING;
COMMENT ON TABLE rlsguard.guard_only IS 'Visible to the guard alone: row security on, not forced, no policy. Never add one.';
REVOKE ALL ON rlsguard.guard_only FROM PUBLIC;
GRANT SELECT ON rlsguard.guard_only TO PUBLIC;

-- One row that shows whether the guard sees as it must: behind row security that is forced, like that of a hop table.
-- With BYPASSRLS it has no policy; else one that names rlsguard_owner.
CREATE TABLE IF NOT EXISTS rlsguard.hop_like (
    one boolean PRIMARY KEY CHECK (one)
);
ALTER TABLE rlsguard.hop_like SET LOGGED;
ALTER TABLE rlsguard.hop_like NO FORCE ROW LEVEL SECURITY;
INSERT INTO rlsguard.hop_like VALUES (true) ON CONFLICT DO NOTHING;
ALTER TABLE rlsguard.hop_like ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE rlsguard.hop_like IS 'Visible as long as the guard sees past row security; asked by every policy';
REVOKE ALL ON rlsguard.hop_like FROM PUBLIC;

-- A view, and no function: whether it shows the row is settled where a query is rewritten, together with whether the
-- query's hop tables show theirs. A statement prepared by one and run by the other cannot be.
CREATE OR REPLACE VIEW rlsguard_views.sight AS
SELECT h.one AS sees FROM rlsguard.hop_like AS h;
COMMENT ON VIEW rlsguard_views.sight IS 'One row, as long as the guard sees past row security';
REVOKE ALL ON rlsguard_views.sight FROM PUBLIC;
GRANT SELECT ON rlsguard_views.sight TO PUBLIC;

-- A dump restored without owners, or where rlsguard_owner has no BYPASSRLS, shows nothing to anyone rather than
-- everything to everyone, and says why.
CREATE OR REPLACE FUNCTION rlsguard.refuse_blind() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'opt-outs cannot be enforced: the guard belongs to %, who does not see past row security',
        (SELECT pg_get_userbyid(c.relowner)
         FROM pg_class AS c
         JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname = 'rlsguard_views' AND c.relname = 'sight')
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Restored without owners, or without the roles of the old server? Ask "rlsguard doctor".';
END
$$;
COMMENT ON FUNCTION rlsguard.refuse_blind() IS 'Refuses to show rows while the guard cannot tell whose they are';
REVOKE ALL ON FUNCTION rlsguard.refuse_blind() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rlsguard.refuse_blind() TO PUBLIC;

RESET ROLE;
