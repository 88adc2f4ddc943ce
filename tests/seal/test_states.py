"""A database put back to an earlier state, restored from a dump, or cloned: what verify names, what seal refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from check.starting import run, running
from guarding import BANK, BANK_MAP, load
from rlsguard import apply as applying
from rlsguard import seal as sealing
from rlsguard.problems import RlsguardError
from rlsguard.seal.places import Folder
from seal.sealing import KEY, Log, wrong
from servers import Database, Postgres

pytestmark = pytest.mark.by_turns

OPT_OUT = "SELECT rlsguard.opt_out('client', %s, '{marketing}', 'test', 'because')"
CUT_OFF = "tree 1: 7 entries were published, and the database has 6: it was put back to an earlier state, or cut off."


def record(dsn: str, *keys: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        for key in keys:
            conn.execute(OPT_OUT, [key])


def test_a_data_directory_that_is_put_back(sealed: Log, base: Path) -> None:
    bindir = sealed.db.server.bindir
    run(base, bindir / "pg_basebackup", "-d", sealed.db.dsn(), "-D", base / "now", "-X", "stream", "-c", "fast")
    with running(bindir, base, "now"):
        pass
    run(base, "cp", "-a", base / "now", base / "before")
    with running(bindir, base, "now") as server:
        dsn = psycopg.conninfo.make_conninfo(server, dbname=sealed.db.name)
        record(dsn, "5")
        sealed.seal(dsn=dsn)
        assert wrong(sealed.verify(dsn=dsn)) == []
    with running(bindir, base, "before") as server:
        dsn = psycopg.conninfo.make_conninfo(server, dbname=sealed.db.name)
        assert wrong(sealed.verify(dsn=dsn)) == [CUT_OFF]
        with pytest.raises(RlsguardError, match="7 entries, and the database has 6: it was put back"):
            sealed.seal(dsn=dsn)
        # It goes on, and comes as far again by other entries.
        record(dsn, "6")
        with pytest.raises(RlsguardError, match="the first 7 entries are not those of the checkpoint"):
            sealed.seal(dsn=dsn)
        (named,) = wrong(sealed.verify(dsn=dsn))
        assert named.startswith("checkpoint of 7 entries: the entries are not those that were published")
        assert named.endswith("of the leaves 6 to 6.")


@contextmanager
def restored(log: Log, server: Postgres) -> Iterator[Log]:
    """Yield the log of a database that a dump of *log*'s was restored into."""
    bindir = log.db.server.bindir
    dumped = subprocess.run([bindir / "pg_dump", "-Fc", "-d", log.db.dsn()], check=True, capture_output=True).stdout
    with server.database() as copy:
        subprocess.run([bindir / "pg_restore", "-d", copy.dsn()], check=True, input=dumped)
        yield Log(copy, log.folder)


def test_a_dump_that_is_restored(sealed: Log, server: Postgres) -> None:
    with restored(sealed, server) as copy:
        # The entries are those that were published, wherever they are.
        assert wrong(copy.verify()) == []
        refused(copy)
        # Another server counts its transactions anew: what is recorded there is not taken for an entry put in later.
        record(copy.db.dsn(), "6")
        copy.tamper("UPDATE rlsguard.opt_out_event SET transaction_id = '3' WHERE id = 6")
        verdict = copy.verify()
        assert (wrong(verdict), verdict.waiting) == ([], 1)
        # The original goes on; the copy does not have that.
        sealed.record(5)
        sealed.seal()
        assert wrong(copy.verify()) == [CUT_OFF]


def refused(copy: Log) -> None:
    before = copy.files()
    with pytest.raises(RlsguardError, match=r"this database is a copy: .* ledger reanchor records that, and goes on"):
        copy.seal()
    assert copy.files() == before


@contextmanager
def cloned(log: Log) -> Iterator[Log]:
    """Yield the log of a clone, which the server keeps apart by its OID alone."""
    log.db.conn.close()
    with psycopg.connect(log.db.server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE clone TEMPLATE {log.db.name}")
        try:
            with psycopg.connect(log.db.server.dsn("clone"), autocommit=True) as conn:
                yield Log(Database(log.db.server, "clone", conn), log.folder)
        finally:
            admin.execute("DROP DATABASE clone WITH (FORCE)")


def test_a_clone(sealed: Log) -> None:
    with cloned(sealed) as clone:
        assert wrong(clone.verify()) == []
        refused(clone)


def test_a_clone_that_passes_for_the_original(sealed: Log) -> None:
    ((here,),) = sealed.db.execute("SELECT rlsguard.here()")
    with cloned(sealed) as clone:
        clone.db.execute(
            f"CREATE OR REPLACE FUNCTION rlsguard.here() RETURNS text LANGUAGE sql STABLE RETURN '{here}'::text"
        )
        record(clone.db.dsn(), "5")
        # Whoever has the key as well can go on in its place, from what was published; there are two databases then
        # that say so, and one folder: the first that publishes makes the other one wrong.
        clone.seal()
        assert wrong(clone.verify()) == []
        assert wrong(sealed.verify()) == [CUT_OFF]
        with psycopg.connect(sealed.db.dsn(), autocommit=True) as conn:
            conn.execute(OPT_OUT, ["6"])
        with pytest.raises(RlsguardError, match="the first 7 entries are not those of the checkpoint"):
            sealed.seal()


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP"])
def test_a_database_of_another_encoding_is_sealed_and_reanchored(log: Log, tmp_path: Path, encoding: str) -> None:
    # A signature begins with a dash that is in neither of these two.
    log.db.execute(f"CREATE DATABASE encoded ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        with psycopg.connect(log.db.server.dsn("encoded"), autocommit=True) as conn:
            conn.execute(BANK.partition("CREATE ROLE")[0])
            applying.apply(conn, load(BANK_MAP))
            conn.execute("SELECT FROM rlsguard.opt_out('client', '1', '{marketing}', 'test', 'because')")
            places = [Folder(tmp_path / "encoded")]
            sealing.publish(conn, KEY, places)
            conn.execute("ALTER TABLE rlsguard.log_epoch DISABLE TRIGGER append_only")
            conn.execute("UPDATE rlsguard.log_epoch SET place = 'x'")
            sealing.reanchor(conn, KEY, places, reason="moved")
            assert sealing.receipt(conn, 1).to_bytes()
            verdict = sealing.verify(conn, KEY.verifier, places)
            assert (verdict.entries, [str(one) for one in verdict.wrong]) == (
                3,
                ["log_epoch 1 (leaf 0): its columns do not say what was sealed: place."],
            )
    finally:
        log.db.execute("DROP DATABASE encoded WITH (FORCE)")
