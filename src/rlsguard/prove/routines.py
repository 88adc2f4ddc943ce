"""SECURITY DEFINER routines: whom they read as, and which protected tables they read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from rlsguard.catalog.model import Catalog
from rlsguard.names import QualifiedName
from rlsguard.prove.bodies import Bodies, Body, Names
from rlsguard.prove.roles import above
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target
from rlsguard.prove.windows import Window, key_in


@dataclass(frozen=True, slots=True)
class Routine:
    """A SECURITY DEFINER routine.

    Attributes:
        signature: its name with the types of its arguments, as SQL spells it.
        trigger: whether triggers run it, so that nobody calls it.
        tables: OIDs of the protected tables that it is known, or by its words likely, to read.
        reads_as: as whom it reads these: its owner, or the owners of views, or of other such routines, that it uses.
        dynamic: whether it puts SQL together as it runs, so that there is no telling what it reads.
        callers: the probed roles that may call it; where not everybody may, any login.
        harmless: whether a call needs no arguments and, as declared, changes nothing.
        returns: OID of the relation whose rows it returns, or 0.
        columns: names of the columns that it returns, where it declares them itself.
    """

    oid: int
    signature: str
    procedure: bool
    trigger: bool
    owner: str
    tables: frozenset[int]
    reads_as: frozenset[str]
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
    session: Session, catalog: Catalog, protected: Collection[int], windows: Sequence[Window], callers: Collection[str]
) -> tuple[Routine, ...]:
    """Return every SECURITY DEFINER routine, by name; those of extensions only if they mention a protected table.

    Args:
        callers: the probed roles.
    """
    shown: dict[int, _Shown] = {oid: frozenset({(oid, None)}) for oid in protected}
    by_name: dict[str, list[int]] = {}
    for table in catalog.tables.values():
        if table.oid in shown:
            by_name.setdefault(table.name.name, []).append(table.oid)
    by_oid = {window.oid: window for window in windows}
    for window in windows:
        shown[window.oid] = _shown(window, by_oid, catalog, protected)
        by_name.setdefault(window.name.name, []).append(window.oid)
    names, bodies = Names(by_name), Bodies(session)

    @cache
    def reads_of(body: Body, in_texts: bool) -> frozenset[tuple[int, str | None]]:
        named = (oid for name in body.mentions(names, in_texts=in_texts) for oid in by_name[name])
        return frozenset().union(*(shown.get(oid, ()) for oid in (*body.reads, *named)))

    found = []
    for row in session.file("routines", [list(callers)]):
        (
            oid,
            signature,
            kind,
            trigger,
            owner,
            volatile,
            is_set,
            language,
            needed,
            schema,
            name,
            returns,
            columns,
            who,
        ) = row
        start = bodies.by_oid[oid]
        run, in_texts = bodies.run_by(start)
        reads = {
            (base, window_owner or reader) for body, reader in run for base, window_owner in reads_of(body, in_texts)
        }
        if start.extension and not reads:
            continue
        found.append(
            Routine(
                oid=oid,
                signature=signature,
                procedure=kind == "p",
                trigger=trigger,
                owner=owner,
                tables=frozenset(base for base, _ in reads),
                reads_as=frozenset(reader for _, reader in reads),
                # Extensions are taken to put SQL together for their own ends.
                dynamic=any(body.runs_text and not body.extension for body, _ in run),
                callers=tuple(who),
                name=QualifiedName(schema, name),
                harmless=kind == "f" and volatile != "v" and needed == 0 and is_set and language in ("sql", "plpgsql"),
                returns=returns,
                columns=tuple(columns),
            )
        )
    return tuple(found)


# Protected tables that a relation shows, each with as whom they are read, if not as whoever reads the relation.
_Shown = frozenset[tuple[int, str | None]]


def _shown(window: Window, windows: Mapping[int, Window], catalog: Catalog, protected: Collection[int]) -> _Shown:
    """Return what *window* shows, and the windows in it.

    By an owner whom policies hold, a view is read as by its reader. A copy is read as either, whoever is held to less.
    """
    inside = {window.oid}
    while more := {oid for one in inside if one in windows for oid in windows[one].reads} - inside:
        inside |= more
    return frozenset(
        (oid, reader)
        for one in inside if one in windows
        for oid in windows[one].reads if oid in protected
        for reader in _readers(windows[one], catalog)
    )  # fmt: skip


def _readers(window: Window, catalog: Catalog) -> tuple[str | None, ...]:
    if window.copies:
        return (None, window.owner)
    return (None if window.as_invoker or not above(catalog, window.owner) else window.owner,)


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
