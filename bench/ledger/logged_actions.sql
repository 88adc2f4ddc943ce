-- By the design of 2ndQuadrant's audit-trigger (https://wiki.postgresql.org/wiki/Audit_trigger_91plus): a row trigger that
-- keeps the old row, what of it has changed, and the text of the query.
CREATE SCHEMA audit;
CREATE TABLE audit.logged_actions (
    event_id bigserial PRIMARY KEY,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    relid oid NOT NULL,
    session_user_name text,
    action_tstamp_tx timestamptz NOT NULL,
    action_tstamp_stm timestamptz NOT NULL,
    action_tstamp_clk timestamptz NOT NULL,
    transaction_id bigint,
    application_name text,
    client_addr inet,
    client_port integer,
    client_query text,
    action text NOT NULL CHECK (action IN ('I', 'D', 'U', 'T')),
    row_data %(type)s,
    changed_fields %(type)s,
    statement_only boolean NOT NULL
);
CREATE INDEX ON audit.logged_actions (relid);
CREATE INDEX ON audit.logged_actions (action_tstamp_stm);
CREATE INDEX ON audit.logged_actions (action);

CREATE FUNCTION audit.if_modified() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
    entry audit.logged_actions;
    excluded text[] := '{}';
BEGIN
    entry := ROW(
        nextval('audit.logged_actions_event_id_seq'), TG_TABLE_SCHEMA::text, TG_TABLE_NAME::text, TG_RELID,
        session_user::text, current_timestamp, statement_timestamp(), clock_timestamp(), txid_current(),
        current_setting('application_name'), inet_client_addr(), inet_client_port(), current_query(),
        substring(TG_OP, 1, 1), NULL, NULL, false
    );
    IF TG_ARGV[0]::boolean IS NOT DISTINCT FROM false THEN
        entry.client_query := NULL;
    END IF;
    IF TG_ARGV[1] IS NOT NULL THEN
        excluded := TG_ARGV[1]::text[];
    END IF;
    IF TG_OP = 'UPDATE' THEN
        entry.row_data := %(row)s(OLD) - excluded;
        entry.changed_fields := %(changed)s - excluded;
        IF entry.changed_fields = %(nothing)s THEN
            RETURN NULL;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        entry.row_data := %(row)s(OLD) - excluded;
    ELSE
        entry.row_data := %(row)s(NEW) - excluded;
    END IF;
    INSERT INTO audit.logged_actions VALUES (entry.*);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.trans FOR EACH ROW EXECUTE FUNCTION audit.if_modified('true');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.bare FOR EACH ROW EXECUTE FUNCTION audit.if_modified('true');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON bank.keyed FOR EACH ROW EXECUTE FUNCTION audit.if_modified('true');
