"""Functions that run with somebody else's rights, or on rows before policies do."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.names import QualifiedName, quote
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.scene import Scene


def definers(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name SECURITY DEFINER routines that read protected tables as somebody who is held to less than the caller."""
    table_owners = {scene.catalog.tables[p.name].owner for p in scene.protected.values()}
    for routine in scene.routines:
        about = f"{routine.kind.lower()} {routine.signature}"
        reads_as = scene.held(routine.owner).purposes
        above = scene.above(routine.owner)
        callers = tuple(
            name for name in routine.callers
            if not scene.above(name) and (held := scene.held(name).purposes) and (above or held - reads_as)
        )  # fmt: skip
        owner = quote(routine.owner)
        if routine.tables and callers:
            whom = "whom no policy holds" if above else "who is held to fewer purposes than its callers"
            why = f"it runs as its owner {owner}, {whom}, and names protected tables."
            mend = f"ALTER {routine.kind} {routine.signature} SECURITY INVOKER;  -- callers then need rights to read"
            yield WayAround("definer", about, scene.names(routine.tables), callers, why, mend)
        elif routine.dynamic and callers:
            text = f"it runs as {owner}, and what it reads cannot be told: it is taken not to read protected tables."
            yield Assumption(about, text)
        elif routine.owner in table_owners and routine.callers and routine.dynamic:
            text = f"it runs as {owner}, who owns protected tables: it is taken not to change their policies."
            yield Assumption(about, text)


def triggers(scene: Scene) -> Iterator[Assumption]:
    """Name triggers that run as somebody whom no policy holds, where anybody held can set them off."""
    for signature, owner, schema, table, writers in scene.session.file("around/definer_triggers"):
        roles = scene.held_among(writers)
        if roles and scene.above(owner):
            text = (
                f"it runs as its owner {quote(owner)}, whom no policy holds, when {', '.join(map(quote, roles))} write"
                f" {QualifiedName(schema, table)}: it is taken to hand out nothing that it reads."
            )
            yield Assumption(f"trigger function {signature}", text)


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
