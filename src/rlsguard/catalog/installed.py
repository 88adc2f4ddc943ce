"""What rlsguard has already made in a database: its manifest, and its objects as the catalog has them now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import psycopg

from rlsguard.sqlfiles import read

# One that somebody dropped is to be told of, and made anew.
_MAP_TABLES = {f"relation rlsguard.{name}" for name in ("subject", "purpose", "role_purpose", "exemption")}


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One applied unit: the hash of its statements, its objects' hashes right after, and what was there before.

    Attributes:
        made_here: not in the database that this one was restored or copied from.
        applied_at: when it was made, or last made anew.
        table_gone: its table is no more; what has its name is another.
        plan: the unit as `rlsguard.plan.recorded` keeps it.
    """

    unit: str
    statements_hash: str
    objects: Mapping[str, str]
    detail: Mapping[str, Any]
    made_here: bool
    applied_at: datetime
    table_gone: bool
    plan: Mapping[str, Any]


@dataclass(frozen=True)
class Installed:
    """The guard as it stands.

    Attributes:
        objects: the sha256 of each object's definition, as the manifest notes it.
        definitions: the same, as the server spells them.
    """

    manifest: Mapping[str, ManifestEntry]
    objects: Mapping[str, str]
    definitions: Mapping[str, str]

    def details_of(self, kind: str, oid: int) -> Mapping[str, Any] | None:
        """Return what the manifest noted of the table with *oid* under units of *kind*, if anything."""
        entry = self.entry_of(kind, oid)
        return None if entry is None else entry.detail

    def entry_of(self, kind: str, oid: int) -> ManifestEntry | None:
        """Return the entry of *kind* of the table with *oid*, whatever name it had, if there is one."""
        return self._entries.get((kind, oid))

    @cached_property
    def _entries(self) -> Mapping[tuple[Any, Any], ManifestEntry]:
        # The first of several: entries are in the order of their names.
        found: dict[tuple[Any, Any], ManifestEntry] = {}
        for entry in self.manifest.values():
            found.setdefault((entry.detail.get("kind"), entry.detail.get("oid")), entry)
        return found


NOTHING_INSTALLED = Installed({}, {}, {})


def load_installed(conn: psycopg.Connection[Any]) -> Installed:
    """Read manifest and objects inside the caller's transaction, which must have run `sql/each/session.sql`.

    The role must be a superuser or a member of rlsguard_owner or rlsguard_auditor to read the manifest.

    Raises:
        psycopg.Error: the guard is there but the role may not read it.
    """
    with conn.cursor() as cur:
        cur.execute("SELECT to_regclass('rlsguard.manifest') IS NOT NULL")
        row = cur.fetchone()
        manifest: dict[str, ManifestEntry] = {}
        if row is not None and row[0]:
            cur.execute(read("manifest.sql"))
            manifest = {r[0]: ManifestEntry(*r) for r in cur.fetchall()}
        cur.execute(read("definitions.sql"))
        definitions = dict(cur.fetchall())
        objects = {name: sha256(definition.encode()).hexdigest() for name, definition in definitions.items()}
        if objects.keys() >= _MAP_TABLES:
            cur.execute(read("observe_rows.sql"))
            objects.update(cur.fetchall())
    return Installed(manifest, objects, definitions)
