"""The ways to audit row changes that are compared, each in a database of its own with the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.variants import Connection
from rlsguard import datamap
from rlsguard.apply import apply

FOLDER = Path(__file__).parent
MAP = datamap.load(FOLDER / "map.yaml")
# Who records, seals and verifies. They exist once rlsguard's own roles do.
_LOGINS = """
CREATE ROLE desk LOGIN IN ROLE rlsguard_recorder;
CREATE ROLE sealer LOGIN IN ROLE rlsguard_sealer;
CREATE ROLE auditor LOGIN IN ROLE rlsguard_auditor;
"""
_UUID_V5 = {"hash": "uuid_generate_v5('a6f4a1e0-7a0f-4d55-8b8e-3a1a2d6d0b7c', named.key)"}
_MD5 = {"hash": "md5(named.key)::uuid"}
_HSTORE = {"type": "hstore", "row": "hstore", "changed": "(hstore(NEW) - entry.row_data)", "nothing": "hstore('')"}
_JSONB = {
    "type": "jsonb",
    "row": "to_jsonb",
    "changed": "(SELECT coalesce(jsonb_object_agg(n.key, n.value), '{}') FROM jsonb_each(to_jsonb(NEW)) AS n"
    " WHERE entry.row_data -> n.key IS DISTINCT FROM n.value)",
    "nothing": "'{}'",
}


@dataclass(frozen=True)
class Audit:
    """A way to audit row changes.

    Attributes:
        set_up: makes it in a database that has the tables.
    """

    name: str
    set_up: Callable[[Connection], None]


def _rlsguard(conn: Connection) -> None:
    apply(conn, MAP)
    conn.execute(_LOGINS)


def _supa_audit(conn: Connection) -> None:
    _script(conn, "supa_audit.sql", _UUID_V5 if _extended(conn, "uuid-ossp") else _MD5)


def _second_quadrant(conn: Connection) -> None:
    _script(conn, "logged_actions.sql", _HSTORE if _extended(conn, "hstore") else _JSONB)


def _hash_chain(conn: Connection) -> None:
    _script(conn, "hash_chain.sql", {})


def _script(conn: Connection, name: str, given: Mapping[str, str]) -> None:
    conn.execute(((FOLDER / name).read_text(encoding="utf-8") % given).encode())


def _extended(conn: Connection, extension: str) -> bool:
    """Make an extension where the server has it; tell whether it does."""
    there = offers(conn, extension)
    if there:
        conn.execute(f'CREATE EXTENSION "{extension}"'.encode())
    return there


def offers(conn: Connection, extension: str) -> bool:
    """Tell whether the server has an extension to install."""
    query = "SELECT FROM pg_available_extensions WHERE name = %s"
    return conn.execute(query, [extension]).fetchone() is not None


NONE = Audit("no audit", lambda conn: None)
RLSGUARD = Audit("rlsguard", _rlsguard)
SUPA_AUDIT = Audit("supa_audit", _supa_audit)
SECOND_QUADRANT = Audit("2ndQuadrant", _second_quadrant)
HASH_CHAIN = Audit("hash chain", _hash_chain)

AUDITS = (NONE, RLSGUARD, SUPA_AUDIT, SECOND_QUADRANT, HASH_CHAIN)
