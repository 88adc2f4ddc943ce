"""What the connected role may do: apply the map, and give the guard BYPASSRLS."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard import plan
from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import OWNER, Scene
from rlsguard.names import quote
from rlsguard.problems import MapError
from rlsguard.rights import missing_rights

_CHECK = "rights"


def check(scene: Scene) -> Iterator[Finding]:
    """Say what is missing for `rlsguard apply`."""
    me = quote(scene.catalog.user)
    if scene.here.standby:
        yield Finding(
            _CHECK, "note", "", "this server is a standby: nothing can be applied here.", "Apply on the primary."
        )
    schemas = {table.name.schema for table in scene.tables}
    events = scene.datamap is not None and scene.datamap.event_trigger
    missing = list(missing_rights(scene.conn, scene.catalog, scene.tables, schemas, event_triggers=events))
    for right in missing:
        yield Finding(_CHECK, "warning", right.about, right.message, right.advice)
    if not missing:
        yield Finding(_CHECK, "ok", me, f"{me} may apply.", "")
    yield from _bypass(scene, me)


def _bypass(scene: Scene, me: str) -> Iterator[Finding]:
    """Say whether an apply by this role would give the guard BYPASSRLS, and whether the map fits at all."""
    if scene.datamap is None:
        return
    try:
        bypass = plan.build(scene.datamap, scene.catalog).bypass
    except MapError as error:
        message = f"the map does not fit this database: {len(error.problems)} problems, first {error.problems[0]}."
        yield Finding("map", "error", "", message, "Run rlsguard validate MAP --dsn DSN.")
        return
    if not bypass and scene.datamap.bypass is None:
        message = f"{me} cannot give BYPASSRLS to the guard: an apply by it uses the marker, which does as well."
        who = "a superuser" if scene.catalog.major < 16 else "a superuser, or a role with CREATEROLE and BYPASSRLS"
        yield Finding(_CHECK, "note", OWNER, message, f"Apply as {who} if you would rather have the attribute.")
