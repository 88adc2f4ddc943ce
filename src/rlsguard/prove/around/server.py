"""What a server lets roles do beside its tables: functions, connections, settings, and code that runs by itself."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from rlsguard.names import quote
from rlsguard.prove.around.revoking import listed, revoke
from rlsguard.prove.model import Assumption, WayAround, in_order
from rlsguard.prove.scene import Scene

_STATISTICS = ("pg_statistic", "pg_statistic_ext_data")


def functions(scene: Scene) -> Iterator[WayAround]:
    """Name functions that read files or the log of changes, where somebody who is held may call them."""
    for signature, grantees, passers in scene.session.file("around/server_functions"):
        roles = scene.held_among(grantees)
        if roles:
            why = "it reads what the server keeps on disk, in which every row is."
            mend = revoke("EXECUTE", f"FUNCTION {signature}", grantees, passers)
            yield WayAround("server-function", f"function {signature}", (), roles, why, mend)


def languages(scene: Scene) -> Iterator[WayAround]:
    """Name languages that are marked as trusted, and in which anybody can call what is in the server itself."""
    for name, grantees in scene.session.file("around/languages"):
        roles = scene.held_among(grantees)
        if roles:
            why = (
                "it is marked as trusted: functions written in it call whatever the server can do, with no right to it."
            )
            distrust = "UPDATE pg_catalog.pg_language SET lanpltrusted = false WHERE lanname = {};"
            mend = sql.SQL(distrust).format(sql.Literal(name)).as_string()
            yield WayAround("server-function", f"language {name}", (), roles, why, mend)


def statistics(scene: Scene) -> Iterator[WayAround]:
    """Name rights to the catalogs that hold the planner's statistics: values of every table, past pg_stats."""
    for oid, table, grantees in scene.session.file("around/readers"):
        roles = scene.held_among(grantees) if table in _STATISTICS else ()
        if roles:
            why = "it holds the most common values of every column, of people who opted out too."
            mend = revoke("SELECT", f"pg_catalog.{table}", grantees, scene.passed_on.get((oid, "SELECT"), ()))
            yield WayAround("statistics", f"catalog {table}", (), roles, why, mend)


def links(scene: Scene) -> Iterator[Assumption]:
    """Name foreign servers that somebody who is held has a connection to: who reads there is not theirs to say."""
    for server, wrapper, users in scene.session.file("around/links"):
        roles = scene.held_among(users)
        if roles:
            text = (
                f"{', '.join(map(quote, roles))} can connect by it ({quote(wrapper)}), as whom the user mapping says:"
                " it is taken not to lead back here, as somebody who is held to less."
            )
            yield Assumption(f"server {quote(server)}", text)


def parameters(scene: Scene) -> Iterator[WayAround]:
    """Name rights to set what silences the audit, or triggers, or loads code."""
    for name, grantees, passers in scene.session.file("around/parameters"):
        who = listed(grantees)
        if name.startswith("pgaudit."):
            what = "keep reads from being audited"
        elif name.endswith(("preload_libraries", "_library", "_path", "_provider")):
            what = "load code into sessions"
        elif name.endswith("_command"):
            what = "have the server run programs"
        elif name.endswith("_file"):
            what = "let anybody in as anybody"
        elif name == "lo_compat_privileges":
            what = "open every large object"
        else:
            what = "switch triggers off"
        mend = revoke("SET, ALTER SYSTEM", f"PARAMETER {name}", grantees, passers)
        yield WayAround(
            "parameter", f"parameter {name}", (), tuple(grantees), f"{who} may set it, and so {what}.", mend
        )


def event_triggers(scene: Scene) -> Iterator[Assumption]:
    """Name event triggers: their functions run in the middle of what others do, with the rights of these."""
    for name, owner, event, function in scene.session.file("around/event_triggers"):
        text = (
            f"{function} runs at every {event}, as whoever it happens to: it is taken, by the word of its owner"
            f" {quote(owner)}, neither to undo what rlsguard apply makes nor to read for somebody else."
        )
        yield Assumption(f"event trigger {quote(name)}", text)


def subscriptions(scene: Scene) -> Iterator[Assumption]:
    """Name subscriptions that write protected tables."""
    for name, owner, oids in scene.session.file("around/subscriptions", [[*scene.protected]]):
        tables = ", ".join(map(str, scene.names(oids)))
        how = (
            f"past their policies, as {quote(owner)}: what comes is taken to be right"
            if scene.above(owner)
            else f"as {quote(owner)}, whom policies hold, so PostgreSQL refuses and nothing comes any more"
        )
        yield Assumption(f"subscription {quote(name)}", f"it writes {tables} {how}.")


def prepared(scene: Scene) -> Iterator[WayAround]:
    """Name prepared transactions that change the guard or, by DDL, protected tables: they wait for their COMMIT."""
    for gid, owner, oids in scene.session.file("around/prepared", [[*scene.protected]]):
        literal = "'" + gid.replace("'", "''") + "'"
        why = (
            "what it did to the guard, or to opt-outs, counts from the moment that somebody commits it, and no sooner."
        )
        mend = f"ROLLBACK PREPARED {literal};  -- or COMMIT PREPARED, if it is known what it does"
        yield WayAround(
            "prepared-transaction", f"prepared transaction {literal}", in_order(scene.names(oids)), (owner,), why, mend
        )
