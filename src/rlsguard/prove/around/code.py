"""Functions that run with somebody else's rights, or on rows before policies do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rlsguard.names import quote
from rlsguard.plan.model import State
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.routines import Routine
from rlsguard.prove.scene import Scene


def definers(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name SECURITY DEFINER routines that read protected tables as somebody who is held to less than the caller."""
    table_owners = {scene.catalog.tables[p.name].owner for p in scene.protected.values()}
    for routine in scene.routines:
        if routine.trigger:
            continue
        about, owner = f"{routine.kind.lower()} {routine.signature}", quote(routine.owner)
        callers, reader = _freed(scene, routine, routine.callers)
        if routine.tables and callers:
            why = f"it runs {_as_whom(scene, routine, reader)}, and names protected tables."
            mend = f"ALTER {routine.kind} {routine.signature} SECURITY INVOKER;  -- callers then need rights to read"
            yield WayAround("definer", about, scene.names(routine.tables), callers, why, mend)
        elif routine.dynamic and callers:
            text = f"it runs as {owner}, and what it reads cannot be told: it is taken not to read protected tables."
            yield Assumption(about, text)
        elif routine.owner in table_owners and routine.callers and routine.dynamic:
            text = f"it runs as {owner}, who owns protected tables: it is taken not to change their policies."
            yield Assumption(about, text)


def triggers(scene: Scene) -> Iterator[Assumption]:
    """Name triggers that run as somebody who is held to less than whoever sets them off.

    Those that keep a balance, say, have to read everybody's rows; only their author knows whether they tell anybody.
    """
    functions = {routine.oid: routine for routine in scene.routines if routine.trigger}
    for oid, on, writers in scene.session.file("around/definer_triggers"):
        routine = functions.get(oid)
        roles, reader = _freed(scene, routine, scene.held_among(writers)) if routine else ((), "")
        if routine and roles:
            what = (
                f"what it reads of {', '.join(map(str, scene.names(routine.tables)))}"
                if routine.tables
                else "what it reads"
            )
            text = (
                f"it runs {_as_whom(scene, routine, reader)}, by {', '.join(on)}, when {', '.join(map(quote, roles))}"
                f" write there: it is taken to hand out nothing of {what}."
            )
            yield Assumption(f"trigger function {routine.signature}", text)


def _freed(scene: Scene, routine: Routine, roles: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Return which of *roles* are held to something that *routine* is not, and as whom it reads that is not."""
    readers = sorted(routine.reads_as or {routine.owner}, key=lambda name: (not scene.above(name), name))
    freed: dict[str, str] = {}
    for role in roles:
        purposes = frozenset() if scene.above(role) else scene.held(role).purposes
        less = [one for one in readers if purposes and (scene.above(one) or purposes - scene.held(one).purposes)]
        if less:
            freed[role] = less[0]
    return tuple(freed), next(iter(freed.values()), "")


def _as_whom(scene: Scene, routine: Routine, reader: str) -> str:
    who = "as its owner" if reader == routine.owner else "what reads as"
    whom = "whom no policy holds" if scene.above(reader) else "who is held to fewer purposes than its callers"
    return f"{who} {quote(reader)}, {whom}"


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


def casts(scene: Scene) -> Iterator[WayAround]:
    """Name casts by which the keys of opt-outs are read where the server has none: they can read one as another."""
    native = {u.key.type.sql for u in scene.wanted.units if isinstance(u, State) and "." not in u.key.type.sql}
    for target, function in scene.session.file("around/casts", [sorted(native)]):
        why = f"keys of opt-outs are read by it, that is by {function}, which can record them for somebody else."
        yield WayAround("code-of-others", f"cast (text AS {target})", (), (), why, f"DROP CAST (text AS {target});")
