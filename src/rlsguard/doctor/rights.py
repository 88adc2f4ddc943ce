"""What the connected role may do: apply the map, and give the guard BYPASSRLS."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard import plan
from rlsguard.doctor.model import Finding, named
from rlsguard.doctor.scene import OWNER, Scene
from rlsguard.names import quote
from rlsguard.problems import MapError

_CHECK = "rights"


def check(scene: Scene) -> Iterator[Finding]:
    """Say what is missing for `rlsguard apply`."""
    me = quote(scene.catalog.user)
    if scene.here.standby:
        yield Finding(
            _CHECK, "note", "", "this server is a standby: nothing can be applied here.", "Apply on the primary."
        )
    missing = [] if scene.superuser else list(_missing(scene, me))
    yield from missing
    if not missing:
        yield Finding(_CHECK, "ok", me, f"{me} may apply.", "")
    yield from _bypass(scene, me)


def _missing(scene: Scene, me: str) -> Iterator[Finding]:
    here, role = scene.here, scene.catalog.roles[scene.catalog.user]
    if here.missing_roles and not role.create_role:
        message = f"{me} may not create the roles {named(here.missing_roles)}."
        yield Finding(_CHECK, "warning", me, message, f"ALTER ROLE {me} CREATEROLE;")
    elif OWNER not in here.missing_roles and not (
        here.may_grant_owner or (role.create_role and scene.catalog.major < 16)
    ):
        message = f"{me} may not act as {OWNER}."
        yield Finding(_CHECK, "warning", me, message, _become_owner(scene, me))
    if not here.installed and not here.may_create_schema:
        database = quote(scene.catalog.database)
        message = f"{me} may not create the schema rlsguard."
        yield Finding(_CHECK, "warning", me, message, f"GRANT CREATE ON DATABASE {database} TO {me};")
    names = {table.oid: table.name for table in scene.tables}
    closed: set[str] = set()
    for row in scene.rows("not_owned", [list(names)]):
        if row.not_owned:
            message = f"{me} does not own {names[row.oid]}; only its owner can add policies."
            yield Finding(_CHECK, "warning", str(names[row.oid]), message, _own(scene, me, row.owner))
        if row.closed:
            closed.add(quote(names[row.oid].schema))
    for schema in sorted(closed):
        message = f"{me} may not let the guard into the schema {schema}."
        yield Finding(_CHECK, "warning", schema, message, f"GRANT USAGE ON SCHEMA {schema} TO {me} WITH GRANT OPTION;")


def _become_owner(scene: Scene, me: str) -> str:
    if scene.catalog.major < 16:
        return f"ALTER ROLE {me} CREATEROLE;"
    # By this the role may make itself a member for the time of an apply, and is none in between.
    return f"GRANT {OWNER}, rlsguard_nobody TO {me} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"


def _own(scene: Scene, me: str, owner: str) -> str:
    if scene.catalog.roles[owner].superuser:
        return "Apply as a superuser, or give the table to a role that is none and apply as that."
    return f"Apply as {quote(owner)}, or GRANT {quote(owner)} TO {me};"


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
