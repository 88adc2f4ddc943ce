-- The log: what of the ledger is sealed, numbered without gaps in an order that never changes. A tree of hashes over it
-- (RFC 6962) is signed and published outside the database; whoever has such a checkpoint can tell if anything before it
-- was changed, by anybody.
CALL rlsguard.take_back('{log_epoch, log_seal, log_leaf, log_node, log_checkpoint, here, subtree_hash, open_epoch, seal,
    keep_checkpoint}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.log_epoch (
    epoch int PRIMARY KEY CHECK (epoch > 0),
    place text NOT NULL,
    payload bytea NOT NULL,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32)
);
COMMENT ON TABLE rlsguard.log_epoch IS 'Trees of the log: another begins where a database goes on from a copy or a backup';
COMMENT ON COLUMN rlsguard.log_epoch.place IS 'Server and database whose transactions are counted; a restored dump counts others';
COMMENT ON COLUMN rlsguard.log_epoch.payload IS 'The first entry of the tree: when, by whom and why it was begun, and how far the one before had come';

CREATE TABLE IF NOT EXISTS rlsguard.log_seal (
    epoch int NOT NULL REFERENCES rlsguard.log_epoch,
    size bigint NOT NULL CHECK (size >= 0),
    snapshot pg_snapshot NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (epoch, size)
);
COMMENT ON TABLE rlsguard.log_seal IS 'What was visible when entries were sealed: what was not is sealed next';
COMMENT ON COLUMN rlsguard.log_seal.size IS 'How many entries the tree has from then on';
COMMENT ON COLUMN rlsguard.log_seal.transaction_id IS 'The transaction that sealed: what it records afterwards is sealed next';

CREATE TABLE IF NOT EXISTS rlsguard.log_leaf (
    epoch int NOT NULL REFERENCES rlsguard.log_epoch,
    index bigint NOT NULL CHECK (index >= 0),
    source text COLLATE "C" NOT NULL CHECK (source IN ('log_epoch', 'opt_out_event', 'erasure', 'change_entry', 'retention')),
    entry bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (epoch, index),
    UNIQUE (source, entry)
);
COMMENT ON TABLE rlsguard.log_leaf IS 'Sealed entries in their order';
COMMENT ON COLUMN rlsguard.log_leaf.source IS 'The table that has the entry';

CREATE TABLE IF NOT EXISTS rlsguard.log_node (
    epoch int NOT NULL REFERENCES rlsguard.log_epoch,
    level int NOT NULL CHECK (level > 0 AND level % 8 = 0),
    index bigint NOT NULL CHECK (index >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (epoch, level, index)
);
COMMENT ON TABLE rlsguard.log_node IS 'Hashes of complete subtrees of 2**level leaves, so that proofs need not read all leaves';

CREATE TABLE IF NOT EXISTS rlsguard.log_checkpoint (
    epoch int NOT NULL REFERENCES rlsguard.log_epoch,
    size bigint NOT NULL CHECK (size >= 0),
    note bytea NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (epoch, size, note)
);
COMMENT ON TABLE rlsguard.log_checkpoint IS 'Checkpoints as they were published. What proves something are the published ones';
COMMENT ON COLUMN rlsguard.log_checkpoint.note IS 'In UTF-8, whatever the database is in: a signature begins with a dash that not every encoding has';

-- Entries of transactions that a snapshot did not see yet are found by these.
CREATE INDEX IF NOT EXISTS opt_out_event_transaction_id ON rlsguard.opt_out_event (transaction_id);
CREATE INDEX IF NOT EXISTS change_entry_transaction_id ON rlsguard.change_entry (transaction_id);

DO $$
DECLARE
    its_table text;
BEGIN
    FOREACH its_table IN ARRAY '{log_epoch, log_seal, log_leaf, log_node, log_checkpoint}'::text[] LOOP
        EXECUTE format('ALTER TABLE rlsguard.%I SET LOGGED', its_table);
        EXECUTE format('CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rlsguard.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.refuse_change()', its_table);
        EXECUTE format('ALTER TABLE rlsguard.%I ENABLE ALWAYS TRIGGER append_only', its_table);
        EXECUTE format('ALTER TABLE rlsguard.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', its_table);
        EXECUTE format('DROP POLICY IF EXISTS guard ON rlsguard.%I', its_table);
        EXECUTE format('CREATE POLICY guard ON rlsguard.%I USING (true)', its_table);
        EXECUTE format('GRANT SELECT ON rlsguard.%I TO rlsguard_auditor, rlsguard_sealer', its_table);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION rlsguard.here() RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.system_identifier || '/' || d.oid
    FROM pg_control_system() AS c
    JOIN pg_database AS d ON d.datname = current_database();
END;
COMMENT ON FUNCTION rlsguard.here() IS 'Server and database, as log_epoch.place has them';

-- RFC 6962, section 2.1, for as many hashes as are a power of two.
CREATE OR REPLACE FUNCTION rlsguard.subtree_hash(hashes bytea[]) RETURNS bytea
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    above bytea[];
BEGIN
    WHILE cardinality(hashes) > 1 LOOP
        above := '{}';
        FOR i IN 1 .. cardinality(hashes) / 2 LOOP
            above[i] := sha256(E'\\x01'::bytea || hashes[2 * i - 1] || hashes[2 * i]);
        END LOOP;
        hashes := above;
    END LOOP;
    RETURN hashes[1];
END
$$;
COMMENT ON FUNCTION rlsguard.subtree_hash(bytea[]) IS 'The hash of a complete subtree over the hashes given';

CREATE OR REPLACE FUNCTION rlsguard.open_epoch(reason text, published bytea) RETURNS int
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
BEGIN ATOMIC
    WITH before AS (
        SELECT max(e.epoch) AS epoch FROM rlsguard.log_epoch AS e
    ), told AS (
        SELECT coalesce(b.epoch, 0) + 1 AS epoch,
               convert_to(jsonb_build_object(
                   'epoch', coalesce(b.epoch, 0) + 1,
                   'place', rlsguard.here(),
                   'opened_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'opened_by', session_user,
                   'reason', open_epoch.reason,
                   'place_before', (SELECT e.place FROM rlsguard.log_epoch AS e WHERE e.epoch = b.epoch),
                   'size_before', (SELECT max(s.size) FROM rlsguard.log_seal AS s WHERE s.epoch = b.epoch),
                   'published_before', encode(open_epoch.published, 'base64'))::text, 'UTF8') AS payload
        FROM before AS b
    )
    INSERT INTO rlsguard.log_epoch (epoch, place, payload, leaf_hash)
    SELECT t.epoch, rlsguard.here(), t.payload, sha256('\x00'::bytea || t.payload)
    FROM told AS t
    ON CONFLICT DO NOTHING
    RETURNING epoch;
END;
COMMENT ON FUNCTION rlsguard.open_epoch(text, bytea) IS 'Begins another tree, and says why; published: the last checkpoint of the one before, as it was published';

-- Which entries are new is told by snapshots, not by numbers or times: a transaction can commit long after another that
-- began later. What the snapshot of the last seal did not see and that of this one does is sealed now, once.
CREATE OR REPLACE FUNCTION rlsguard.seal(OUT epoch int, OUT size bigint, OUT sealed bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
-- However much the planner thinks is new: what is sealed already is not to be read again.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    tree rlsguard.log_epoch;
    last rlsguard.log_seal;
    unseen xid8;
    running xid8[];
    height int := 0;
    first bigint;
    beyond bigint;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'sealing takes a snapshot of its own: isolation level READ COMMITTED'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    -- What is published next must outlast a crash, and the entries with it.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- One sealer at a time. A row's lock, for an advisory one could be held by anybody.
    SELECT * INTO tree FROM rlsguard.log_epoch AS e ORDER BY e.epoch DESC LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM rlsguard.open_epoch('the first', NULL);
        SELECT * INTO tree FROM rlsguard.log_epoch AS e ORDER BY e.epoch DESC LIMIT 1 FOR UPDATE;
    END IF;
    IF tree.place <> rlsguard.here() THEN
        RAISE EXCEPTION 'this database is a copy: the log was kept in database %, and this is %', tree.place, rlsguard.here()
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Whether it was restored, upgraded or cloned: rlsguard ledger reanchor records that, and goes on.';
    END IF;
    SELECT * INTO last FROM rlsguard.log_seal AS s WHERE s.epoch = tree.epoch ORDER BY s.size DESC LIMIT 1;
    -- The transaction that sealed last counts as running: it can have recorded something after it did.
    unseen := coalesce(pg_snapshot_xmax(last.snapshot), '0');
    running := ARRAY(SELECT pg_snapshot_xip(last.snapshot)) || last.transaction_id;

    -- One statement, and so one snapshot: the one that is noted is the one that entries are read by.
    WITH fresh AS MATERIALIZED (
        SELECT 'log_epoch' AS source, tree.epoch::bigint AS entry, tree.leaf_hash, '0'::xid8 AS transaction_id
        WHERE last.snapshot IS NULL
        UNION ALL
        SELECT e.source, e.entry, e.leaf_hash, e.transaction_id
        FROM (
            SELECT 'opt_out_event', o.id, o.leaf_hash, o.transaction_id FROM rlsguard.opt_out_event AS o
            UNION ALL
            SELECT 'erasure', x.id, x.leaf_hash, x.transaction_id FROM rlsguard.erasure AS x
            UNION ALL
            SELECT 'change_entry', c.id, c.leaf_hash, c.transaction_id FROM rlsguard.change_entry AS c
            UNION ALL
            SELECT 'retention', r.id, r.leaf_hash, r.transaction_id FROM rlsguard.retention AS r
        ) AS e (source, entry, leaf_hash, transaction_id)
        WHERE (e.transaction_id >= unseen OR e.transaction_id = ANY (running))
          -- such as what the transaction that sealed last had recorded before it did
          AND NOT EXISTS (SELECT FROM rlsguard.log_leaf AS l WHERE l.source = e.source AND l.entry = e.entry)
    ), numbered AS (
        INSERT INTO rlsguard.log_leaf (epoch, index, source, entry, hash)
        SELECT tree.epoch, coalesce(last.size, 0) - 1 + row_number() OVER (ORDER BY f.transaction_id, f.source, f.entry),
               f.source, f.entry, f.leaf_hash
        FROM fresh AS f
        RETURNING 1
    ), counted (fresh) AS (
        SELECT count(*) FROM numbered
    )
    INSERT INTO rlsguard.log_seal (epoch, size, snapshot)
    SELECT tree.epoch, coalesce(last.size, 0) + c.fresh, pg_current_snapshot()
    FROM counted AS c
    WHERE c.fresh > 0 OR last.snapshot IS NULL
    RETURNING log_seal.size INTO size;

    epoch := tree.epoch;
    size := coalesce(size, last.size);
    sealed := size - coalesce(last.size, 0);
    -- Subtrees that are complete since then, level by level.
    LOOP
        first := coalesce(last.size, 0) >> (height + 8);
        beyond := size >> (height + 8);
        EXIT WHEN beyond = 0;
        INSERT INTO rlsguard.log_node (epoch, level, index, hash)
        SELECT tree.epoch, height + 8, h.index / 256, rlsguard.subtree_hash(array_agg(h.hash ORDER BY h.index))
        FROM (
            SELECT l.index, l.hash
            FROM rlsguard.log_leaf AS l
            WHERE height = 0 AND l.epoch = tree.epoch AND l.index >= first * 256 AND l.index < beyond * 256
            UNION ALL
            SELECT n.index, n.hash
            FROM rlsguard.log_node AS n
            WHERE n.epoch = tree.epoch AND n.level = height AND n.index >= first * 256 AND n.index < beyond * 256
        ) AS h
        GROUP BY h.index / 256;
        height := height + 8;
    END LOOP;
END
$$;
COMMENT ON FUNCTION rlsguard.seal() IS 'Numbers the entries that were committed since the last time, and hashes them into the tree';

CREATE OR REPLACE FUNCTION rlsguard.keep_checkpoint(epoch int, size bigint, note bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = on
BEGIN ATOMIC
    INSERT INTO rlsguard.log_checkpoint (epoch, size, note)
    VALUES (keep_checkpoint.epoch, keep_checkpoint.size, keep_checkpoint.note)
    ON CONFLICT DO NOTHING;
END;
COMMENT ON FUNCTION rlsguard.keep_checkpoint(int, bigint, bytea) IS 'Keeps a checkpoint that was published, for receipts';

REVOKE ALL ON FUNCTION
    rlsguard.here(),
    rlsguard.subtree_hash(bytea[]),
    rlsguard.open_epoch(text, bytea),
    rlsguard.seal(),
    rlsguard.keep_checkpoint(int, bigint, bytea)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    rlsguard.here(),
    rlsguard.open_epoch(text, bytea),
    rlsguard.seal(),
    rlsguard.keep_checkpoint(int, bigint, bytea)
TO rlsguard_sealer;
GRANT EXECUTE ON FUNCTION rlsguard.here() TO rlsguard_auditor;

RESET ROLE;
