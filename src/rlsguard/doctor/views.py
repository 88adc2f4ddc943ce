"""Views that show hidden rows: they read with their owner's rights, or keep copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlsguard.doctor.model import Finding, named
from rlsguard.doctor.scene import Scene
from rlsguard.names import QualifiedName

_CHECK = "views"


def check(scene: Scene) -> Iterator[Finding]:
    """Name the views over protected tables that opt-outs do not reach, or not at once.

    A view's owner decides whether row security applies at all, unless it is a security_invoker view
    (https://www.postgresql.org/docs/current/rules-privileges.html); the guard itself always asks for the reader.
    """
    rows = scene.rows("views", [[table.oid for table in scene.tables]])
    for row in rows:
        yield _copies(row) if row.copies else _bypasses(row)
    if not rows:
        yield Finding(_CHECK, "ok", "", "no view that others may read shows protected tables past their policies.", "")


def _bypasses(row: Any) -> Finding:
    name = str(QualifiedName(row.schema, row.name))
    owner, readers = named([row.owner]), named(row.readers)
    message = f"{name} reads protected tables as {owner}, whom no policy holds: it shows every row to {readers}."
    return Finding(_CHECK, "error", name, message, f"ALTER VIEW {name} SET (security_invoker = true);")


def _copies(row: Any) -> Finding:
    name = str(QualifiedName(row.schema, row.name))
    when = (
        f"never, because no policy holds its owner {named([row.owner])}"
        if row.unheld
        else f"at its next REFRESH, as far as its owner {named([row.owner])} is held to them"
    )
    readers = named(row.readers)
    message = f"{name} keeps copies of protected rows, which {readers} may read; opt-outs reach it {when}."
    advice = f"Make it a view with security_invoker, or take the right to SELECT from {readers}."
    return Finding(_CHECK, "error" if row.unheld else "warning", name, message, advice)
