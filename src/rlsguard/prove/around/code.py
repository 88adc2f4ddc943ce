"""Functions that run with somebody else's rights, or on rows before policies do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rlsguard.names import QualifiedName, quote
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.scene import Scene

_DYNAMIC = re.compile(r"\bEXECUTE\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Definer:
    """A SECURITY DEFINER routine.

    Attributes:
        name: with the types of its arguments, as SQL spells it.
        tables: the protected tables that it is known or said to read.
        dynamic: whether it puts SQL together as it runs, so that there is no telling what it reads.
        callers: the probed roles that may call it.
    """

    name: str
    kind: str
    owner: str
    tables: frozenset[int]
    dynamic: bool
    callers: tuple[str, ...]


def _routines(scene: Scene) -> Iterator[Definer]:
    behind = {table.oid: {table.oid} for table in scene.catalog.tables.values() if table.oid in scene.protected}
    behind |= {window.oid: set(window.bases) for window in scene.windows}
    names = {table.oid: table.name for table in scene.catalog.tables.values() if table.oid in behind}
    for row in scene.session.file("routines", [[prober.name for prober in scene.probers]]):
        name, kind, owner, _volatile, _set, language, _args, source, reads, *_, callers = row
        # The body of most functions is text: what it reads is known only by the words in it.
        mentioned = {oid for oid, table in names.items() if _mentions(source, table)}
        tables = frozenset(base for oid in {*reads, *mentioned} & behind.keys() for base in behind[oid])
        dynamic = language not in ("sql", "plpgsql") or bool(_DYNAMIC.search(source))
        yield Definer(name, "PROCEDURE" if kind == "p" else "FUNCTION", owner, tables, dynamic, tuple(callers))


def _mentions(source: str, table: QualifiedName) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(table.name)}(?![\w$])", source, re.IGNORECASE) is not None


def definers(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name SECURITY DEFINER routines that read protected tables as somebody who is held to less than the caller."""
    table_owners = {scene.catalog.tables[p.name].owner for p in scene.protected.values()}
    for routine in _routines(scene):
        about = f"{routine.kind.lower()} {routine.name}"
        reads_as = scene.held(routine.owner).purposes
        above = scene.above(routine.owner)
        callers = tuple(
            p.name for p in scene.probers if p.name in routine.callers and (above or p.held.purposes - reads_as)
            and p.held.purposes
        )  # fmt: skip
        owner = quote(routine.owner)
        if routine.tables and callers:
            whom = "whom no policy holds" if above else "who is held to fewer purposes than its callers"
            why = f"it runs as its owner {owner}, {whom}, and names protected tables."
            mend = f"ALTER {routine.kind} {routine.name} SECURITY INVOKER;"
            yield WayAround("definer", about, scene.names(routine.tables), callers, why, mend)
        elif routine.dynamic and callers:
            text = f"it runs as {owner}, and what it reads cannot be told: it is taken not to read protected tables."
            yield Assumption(about, text)
        elif routine.owner in table_owners and routine.callers and routine.dynamic:
            text = f"it runs as {owner}, who owns protected tables: it is taken not to change their policies."
            yield Assumption(about, text)


def leakproof(scene: Scene) -> Iterator[WayAround]:
    """Name functions marked LEAKPROOF: they may be run on rows before policies hide them."""
    for (name,) in scene.session.file("around/leakproof"):
        why = "it is marked LEAKPROOF, so it may see rows before policies hide them, and tell."
        yield WayAround("leakproof", f"function {name}", (), (), why, f"ALTER FUNCTION {name} NOT LEAKPROOF;")


def of_others(scene: Scene) -> Iterator[WayAround]:
    """Name functions and domains that protected tables run on their values, and that are not their owner's."""
    for kind, name, owner, oids, table_owner in scene.session.file("around/others_code", [[*scene.protected]]):
        why = f"protected tables run it on every value, and its owner {quote(owner)} can change it to tell them."
        mend = f"ALTER {kind.upper()} {name} OWNER TO {quote(table_owner)};"
        yield WayAround("code-of-others", f"{kind} {name}", scene.names(oids), (), why, mend)
