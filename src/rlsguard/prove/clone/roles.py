"""The roles of one cluster made in another."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from rlsguard.names import Name
from rlsguard.prove.session import Session

_ATTRIBUTES = ("SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "REPLICATION", "BYPASSRLS")


def copy_roles(source: Session, target: psycopg.Connection[Any]) -> None:
    """Create in the cluster of *target* the roles of *source*, with their memberships; those that are there stay.

    Everybody may log in there: a role that others only inherit from is to be tried by itself.
    """
    there = {name for (name,) in target.execute("SELECT rolname FROM pg_catalog.pg_roles").fetchall()}
    for name, *flags in source.file("clone/roles"):
        if name in there:
            continue
        words = [("" if flag else "NO") + word for word, flag in zip(_ATTRIBUTES, flags, strict=True)]
        if not name.startswith("rlsguard_"):
            words.append("LOGIN")
        options = dict.fromkeys(word for word in words if word != "NOLOGIN" or name.startswith("rlsguard_"))
        target.execute(sql.SQL("CREATE ROLE {} {}").format(Name(name), sql.SQL(" ").join(map(sql.SQL, options))))
    new = target.info.server_version >= 160000
    for role, member, admin, inherits, may_set in source.file("clone/memberships"):
        if member in there:
            continue
        statement = sql.SQL("GRANT {} TO {}").format(Name(role), Name(member))
        if new:
            # Before 16 the member's own INHERIT decided; CREATE ROLE has given it that.
            given = {"ADMIN": admin, "INHERIT": inherits, "SET": may_set}
            listed = ", ".join(f"{word} {'TRUE' if on else 'FALSE'}" for word, on in given.items() if on is not None)
            statement += sql.SQL(" WITH " + listed)
        elif admin:
            statement += sql.SQL(" WITH ADMIN OPTION")
        target.execute(statement)
