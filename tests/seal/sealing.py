"""Small verbs for tests of the sealed ledger: seal and publish, verify, and what only a superuser can do to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from guarding import opt_in, opt_out
from rlsguard import seal as sealing
from rlsguard.seal import Verdict
from rlsguard.seal.places import Folder
from rlsguard.tlog import SigningKey
from servers import Database
from tlog.signing import ORIGIN, key

KEY = key(ORIGIN)
STRANGER = key("stranger.example")
# The same name, so that nothing but the signature can tell.
FORGER = SigningKey(ORIGIN, bytes(32))

TABLES = (
    *("opt_out_event", "erasure", "change_entry", "retention"),
    *("log_epoch", "log_seal", "log_leaf", "log_node", "log_checkpoint"),
)
_TRIGGERS = """
SELECT format('ALTER TABLE %%s DISABLE TRIGGER %%I', t.tgrelid::regclass, t.tgname),
       format('ALTER TABLE %%s ENABLE ALWAYS TRIGGER %%I', t.tgrelid::regclass, t.tgname)
FROM pg_trigger AS t
WHERE NOT t.tgisinternal
  AND t.tgrelid IN (SELECT format('rlsguard.%%I', name)::regclass FROM unnest(%s::text[]) AS name)
"""


@dataclass(frozen=True)
class Log:
    """The ledger of a database, and the folder that its checkpoints are published in."""

    db: Database
    folder: Path
    key: SigningKey = KEY

    @property
    def published(self) -> Folder:
        """The place that checkpoints go to."""
        return Folder(self.folder)

    def files(self, log: str = ORIGIN) -> list[Path]:
        """Return the files of checkpoints, the largest last."""
        return sorted(self.published._of(log).glob("0*/0*"))

    def record(self, key: object, *purposes: str) -> None:
        """Record opt-outs as the superuser."""
        opt_out(self.db, key, *(purposes or ("marketing",)))

    def take_back(self, key: object, *purposes: str) -> None:
        """Record opt-ins as the superuser."""
        opt_in(self.db, key, *(purposes or ("marketing",)))

    def seal(self, *, dsn: str | None = None, user: str = "postgres") -> sealing.Published:
        """Seal, sign and publish, as `rlsguard ledger seal` does."""
        with psycopg.connect(dsn or self.db.dsn(user), autocommit=True) as conn:
            return sealing.publish(conn, self.key, [self.published])

    def verify(self, *, dsn: str | None = None, user: str = "postgres", folders: tuple[Path, ...] = ()) -> Verdict:
        """Verify, as `rlsguard ledger verify` does."""
        places = [Folder(folder) for folder in folders or (self.folder,)]
        with psycopg.connect(dsn or self.db.dsn(user), autocommit=True) as conn:
            return sealing.verify(conn, self.key.verifier, places)

    def tamper(self, statements: str) -> None:
        """Run *statements* as a superuser who switches off what refuses changes, and on again."""
        with opened(self.db) as conn:
            conn.execute(statements)

    def leaves(self) -> list[tuple[Any, ...]]:
        """Return tree, leaf, source and entry of all that is sealed, in order."""
        return self.db.execute("SELECT epoch, index, source, entry FROM rlsguard.log_leaf ORDER BY epoch, index")

    def entries(self) -> list[int]:
        """Return the opt-outs and opt-ins that are sealed, in order."""
        return [entry for _, _, source, entry in self.leaves() if source == "opt_out_event"]


@contextmanager
def opened(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """Switch off what refuses changes of the ledger and the log, foreign keys included, and on again."""
    with db.connect() as conn:
        triggers = conn.execute(_TRIGGERS, [list(TABLES)]).fetchall()
        with conn.transaction():
            conn.execute("SET LOCAL session_replication_role = replica")
            for off, _ in triggers:
                conn.execute(off)
            yield conn
            for _, on in triggers:
                conn.execute(on)


def wrong(verdict: Verdict) -> list[str]:
    """Return what *verdict* names as wrong."""
    return [str(one) for one in verdict.wrong]
