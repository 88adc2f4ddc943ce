-- A chain of hashes: each entry's covers the one before it, so writers wait for each other.
CREATE SCHEMA audit;
CREATE TABLE audit.chain (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    by text NOT NULL DEFAULT session_user,
    entry jsonb NOT NULL,
    hash bytea NOT NULL
);

CREATE FUNCTION audit.add_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry jsonb := jsonb_build_object('operation', TG_OP, 'table', TG_RELID, 'old', to_jsonb(OLD), 'new', to_jsonb(NEW));
    last bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(7);
    SELECT c.hash INTO last FROM audit.chain AS c ORDER BY c.id DESC LIMIT 1;
    INSERT INTO audit.chain (entry, hash)
    VALUES (entry, sha256(coalesce(last, '') || convert_to(entry::text, 'UTF8')));
    RETURN NULL;
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.trans FOR EACH ROW EXECUTE FUNCTION audit.add_link();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.bare FOR EACH ROW EXECUTE FUNCTION audit.add_link();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.keyed FOR EACH ROW EXECUTE FUNCTION audit.add_link();
