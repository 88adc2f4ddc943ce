"""SECURITY DEFINER routines: whom they read as, and which protected tables they read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rlsguard.catalog.model import Catalog
from rlsguard.names import QualifiedName
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target
from rlsguard.prove.windows import Window, key_in

_DYNAMIC = re.compile(r"\bEXECUTE\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Routine:
    """A SECURITY DEFINER routine.

    Attributes:
        signature: its name with the types of its arguments, as SQL spells it.
        tables: OIDs of the protected tables that it is known, or by its words likely, to read.
        dynamic: whether it puts SQL together as it runs, so that there is no telling what it reads.
        callers: the probed roles that may call it; where not everybody may, any login.
        harmless: whether a call needs no arguments and, as declared, changes nothing.
        returns: OID of the relation whose rows it returns, or 0.
        columns: names of the columns that it returns, where it declares them itself.
    """

    signature: str
    procedure: bool
    owner: str
    tables: frozenset[int]
    dynamic: bool
    callers: tuple[str, ...]
    name: QualifiedName
    harmless: bool
    returns: int
    columns: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The word for it in ALTER."""
        return "PROCEDURE" if self.procedure else "FUNCTION"


def routines(
    session: Session, catalog: Catalog, protected: Collection[int], windows: Iterable[Window], callers: Collection[str]
) -> tuple[Routine, ...]:
    """Return every SECURITY DEFINER routine outside extensions, by name.

    Args:
        callers: the probed roles.
    """
    behind = {oid: frozenset({oid}) for oid in protected} | {window.oid: window.bases for window in windows}
    names = {table.oid: table.name for table in catalog.tables.values() if table.oid in behind}
    found = []
    for row in session.file("routines", [list(callers)]):
        (
            signature,
            kind,
            owner,
            volatile,
            is_set,
            language,
            needed,
            source,
            reads,
            schema,
            name,
            returns,
            columns,
            who,
        ) = row
        # The body of most is text: what it reads is known only by the words in it.
        mentioned = {oid for oid, table in names.items() if _mentions(source, table)}
        found.append(
            Routine(
                signature=signature,
                procedure=kind == "p",
                owner=owner,
                tables=frozenset(base for oid in {*reads, *mentioned} & behind.keys() for base in behind[oid]),
                dynamic=language not in ("sql", "plpgsql") or bool(_DYNAMIC.search(source)),
                callers=tuple(who),
                name=QualifiedName(schema, name),
                harmless=kind == "f" and volatile != "v" and needed == 0 and is_set and language in ("sql", "plpgsql"),
                returns=returns,
                columns=tuple(columns),
            )
        )
    return tuple(found)


def _mentions(source: str, table: QualifiedName) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(table.name)}(?![\w$])", source, re.IGNORECASE) is not None


def key_of(
    routine: Routine, target: Target, catalog: Catalog, windows: Mapping[QualifiedName, Window]
) -> tuple[str, ...]:
    """Return the columns of what *routine* returns that hold the key of *target*; nothing where that cannot be told."""
    key = target.key_columns
    if routine.returns == target.table.oid:
        return key
    for window in windows.values():
        if routine.returns == window.oid:
            return key_in(window, target.table.name, key, catalog, windows)
    # A column that it names itself is taken for the key if no other table has one of that name.
    others = {column for table in catalog.tables.values() if table.oid != target.table.oid for column in table.columns}
    return key if key and set(key) <= set(routine.columns) and others.isdisjoint(key) else ()
