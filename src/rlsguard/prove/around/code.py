"""Functions that run with somebody else's rights, or on rows before policies do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rlsguard.names import quote
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.routines import Routine
from rlsguard.prove.scene import Scene


def definers(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name SECURITY DEFINER routines that read protected tables as somebody who is held to less than the caller."""
    table_owners = {scene.catalog.tables[p.name].owner for p in scene.protected.values()}
    for routine in scene.routines:
        if routine.trigger:
            continue
        about = f"{routine.kind.lower()} {routine.signature}"
        callers, owner = _held_to_more(scene, routine, routine.callers), quote(routine.owner)
        if routine.tables and callers:
            mend = f"ALTER {routine.kind} {routine.signature} SECURITY INVOKER;  -- callers then need rights to read"
            yield WayAround("definer", about, scene.names(routine.tables), callers, _why(scene, routine), mend)
        elif routine.dynamic and callers:
            text = f"it runs as {owner}, and what it reads cannot be told: it is taken not to read protected tables."
            yield Assumption(about, text)
        elif routine.owner in table_owners and routine.callers and routine.dynamic:
            text = f"it runs as {owner}, who owns protected tables: it is taken not to change their policies."
            yield Assumption(about, text)


def triggers(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name triggers that run as somebody who is held to less than whoever sets them off."""
    functions = {routine.signature: routine for routine in scene.routines if routine.trigger}
    for signature, relations, writers in scene.session.file("around/definer_triggers"):
        if (routine := functions.get(signature)) is None:
            continue
        roles = _held_to_more(scene, routine, scene.held_among(writers))
        about, on = f"trigger function {signature}", ", ".join(relations)
        if routine.tables and roles:
            why = f"when somebody writes {on}, {_why(scene, routine)}"
            mend = f"ALTER FUNCTION {signature} SECURITY INVOKER;  -- whoever writes {on} then needs rights to read"
            yield WayAround("definer", about, scene.names(routine.tables), roles, why, mend)
        elif roles and scene.above(routine.owner):
            text = (
                f"it runs as its owner {quote(routine.owner)}, whom no policy holds, when"
                f" {', '.join(map(quote, roles))} write {on}: it is taken to hand out nothing that it reads."
            )
            yield Assumption(about, text)


def _held_to_more(scene: Scene, routine: Routine, roles: Iterable[str]) -> tuple[str, ...]:
    """Return which of *roles* are held to something that *routine* is not, as whomever it reads."""
    readers = routine.reads_as or (routine.owner,)
    above = any(map(scene.above, readers))
    return tuple(
        name for name in roles
        if not scene.above(name) and (held := scene.held(name).purposes)
        and (above or any(held - scene.held(reader).purposes for reader in readers))
    )  # fmt: skip


def _why(scene: Scene, routine: Routine) -> str:
    reader = next(filter(scene.above, routine.reads_as), routine.reads_as[0])
    who = f"as its owner {quote(reader)}" if reader == routine.owner else f"what runs as {quote(reader)}"
    whom = "whom no policy holds" if scene.above(reader) else "who is held to fewer purposes than its callers"
    return f"it runs {who}, {whom}, and names protected tables."


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
