"""Relations that show or send rows of protected tables past their policies."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.names import QualifiedName, quote
from rlsguard.prove.around.revoking import revoke
from rlsguard.prove.model import Assumption, WayAround, in_order
from rlsguard.prove.scene import Scene
from rlsguard.prove.windows import Window


def views(scene: Scene) -> Iterator[WayAround]:
    """Name views that read as an owner whom no policy holds, where anybody held can read them or a view over them.

    A view's owner decides whether row security applies at all, unless it is a security_invoker view
    (https://www.postgresql.org/docs/current/sql-createview.html).
    """
    for window in scene.windows:
        direct = window.reads & scene.protected.keys()
        if window.copies or window.as_invoker or not direct or not scene.above(window.owner):
            continue
        roles = scene.held_among(_readers(scene, window))
        if roles:
            owner = quote(window.owner)
            why = f"it reads as its owner {owner}, whom no policy holds."
            mend = f"ALTER VIEW {window.name} SET (security_invoker = true);  -- readers then need rights to read"
            yield WayAround("view", f"view {window.name}", scene.names(direct), roles, why, mend)


def materialised_views(scene: Scene) -> Iterator[WayAround]:
    """Name materialised views that anybody held can read: they keep what was visible at their last refresh."""
    for window in scene.windows:
        if window.copies and (roles := scene.held_among(_readers(scene, window))):
            over = [one for one in _over(scene, window) if one is not window]
            why = "it keeps copies of rows, and an opt-out does not reach them."
            if over:
                why += f" It is read by {', '.join(str(one.name) for one in over)}, too."
            mend = "\n".join(step for one in (window, *over) for step in _closed(scene, one))
            mend += "  -- or make it a view with security_invoker"
            about = f"materialised view {window.name}"
            yield WayAround("materialised-view", about, scene.names(window.bases), roles, why, mend)


def _closed(scene: Scene, window: Window) -> Iterator[str]:
    """Yield the SQL that takes *window* from its readers, and from an owner who reads it by right."""
    if scene.held_among([window.owner]):
        owners = {scene.catalog.tables[name].owner for name in scene.names(window.bases)}
        # To its tables' owner, or to whoever proves.
        owner = next((one for one in sorted(owners) if not scene.held_among([one])), scene.catalog.user)
        yield f"ALTER {'MATERIALIZED ' if window.copies else ''}VIEW {window.name} OWNER TO {quote(owner)};"
    if window.readers:
        yield revoke("SELECT", str(window.name), window.readers, scene.passed_on.get((window.oid, "SELECT"), ()))


def _readers(scene: Scene, window: Window) -> tuple[str, ...]:
    """Return who may read *window*, itself or by a view over it, and who owns those."""
    return tuple(reader for one in _over(scene, window) for reader in (*one.readers, one.owner))


def _over(scene: Scene, window: Window) -> list[Window]:
    """Return *window* and the views over it, at any remove; other copies count for themselves."""
    over, queue = {window.oid: window}, [window.oid]
    while queue:
        more = [one for one in scene.views_over.get(queue.pop(), ()) if one.oid not in over]
        over.update((one.oid, one) for one in more)
        queue.extend(one.oid for one in more)
    return sorted(over.values(), key=lambda one: one.name)


def partitions(scene: Scene) -> Iterator[WayAround]:
    """Name what hangs under or over protected tables and has no policy."""
    tables = scene.catalog.tables
    for protection in scene.protected.values():
        for name in tables[protection.name].parents:
            parent = tables[name]
            if parent.oid not in scene.protected:
                why = f"read by way of it, the rows of {protection.name} are held to its policies, and it has no guard."
                mend = f"Put {name} into the map, then run rlsguard apply MAP"
                yield WayAround("partition", f"table {name}", (protection.name,), (), why, mend)
        for name in tables[protection.name].children:
            child = tables[name]
            if child.kind == "f":
                why = "it is a foreign table, which can have no policy: read directly it shows every row."
                mend = revoke("SELECT", str(name), ["PUBLIC"]) + "  -- and from whomever it was granted to"
                yield WayAround("partition", f"foreign table {name}", (protection.name,), (), why, mend)
            elif child.owner != tables[protection.name].owner and not scene.above(child.owner):
                why = f"it belongs to {quote(child.owner)}, who can take its policies away or detach it."
                mend = f"ALTER TABLE {name} OWNER TO {quote(tables[protection.name].owner)};"
                yield WayAround("partition", f"table {name}", (protection.name,), (), why, mend)


def first_policies(scene: Scene) -> Iterator[WayAround]:
    """Name restrictive policies that sort before the guard's: they are asked first, of hidden rows too.

    Restrictive policies are applied in the order of their names, permissive ones after them
    (https://www.postgresql.org/docs/current/sql-createpolicy.html).
    """
    for protection in scene.protected.values():
        for policy in scene.catalog.tables[protection.name].policies:
            if not policy.permissive and policy.name.encode() < protection.policy.encode():
                name, other = quote(policy.name), quote(policy.name.lstrip(_FIRST) or "other")
                why = "it is restrictive and sorts before the guard's: its functions are shown hidden rows."
                mend = f"ALTER POLICY {name} ON {protection.name} RENAME TO {other};"
                about = f"policy {name} on {protection.name}"
                yield WayAround("policy-order", about, (protection.name,), (), why, mend)


# All that sorts before the names of the guard's policies, which begin with an exclamation mark.
_FIRST = "".join(map(chr, range(ord("!") + 1)))


def foreign_tables(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name foreign tables that look like loops back to a protected table."""
    for schema, table, server, wrapper, oids, readers in scene.session.file(
        "around/foreign_tables", [[*scene.protected]]
    ):
        name = QualifiedName(schema, table)
        roles = scene.held_among(readers)
        if roles:
            why = f"by the server {quote(server)} ({wrapper}) it reads a table of the same name, as whoever it maps to."
            mend = revoke("SELECT", str(name), readers)
            yield WayAround("foreign-table", f"foreign table {name}", scene.names(oids), roles, why, mend)
        else:
            tables = ", ".join(map(str, scene.names(oids)))
            text = f"it may read {tables} from outside; none of the roles tried may read it."
            yield Assumption(f"foreign table {name}", text)


def publications(scene: Scene) -> Iterator[WayAround]:
    """Name publications that send protected rows: whoever receives them is held to nothing."""
    for name, everything, oids, by_table, by_schema in scene.session.file("around/publications", [[*scene.protected]]):
        tables, feed = scene.names(oids), quote(name)
        listed = ", ".join(map(str, tables))
        if everything:
            mend = f"DROP PUBLICATION {feed};  -- it is FOR ALL TABLES; make it anew FOR TABLE, without {listed}"
        else:
            steps = [f"TABLE {', '.join(by_table)}"] if by_table else []
            steps += [f"TABLES IN SCHEMA {', '.join(by_schema)}"] if by_schema else []
            mend = "\n".join(f"ALTER PUBLICATION {feed} DROP {step};" for step in steps)
        why = f"it sends every row of {listed} to its subscribers, whatever opt-outs say."
        yield WayAround("publication", f"publication {feed}", tables, (), why, mend)


def rules(scene: Scene) -> Iterator[WayAround]:
    """Name rules on protected tables, or that read them: what they do, they do as the table's owner."""
    found: dict[tuple[str, QualifiedName], list[int]] = {}
    for rule, schema, table, oids in scene.session.file("around/rules", [[*scene.protected]]):
        found[rule, QualifiedName(schema, table)] = oids
    for (rule, table), oids in found.items():
        why = "what it does it does with its table's owner's rights, and it can copy rows elsewhere."
        tables = in_order([*scene.names(oids)])
        yield WayAround(
            "rule", f"rule {quote(rule)} on {table}", tables, (), why, f"DROP RULE {quote(rule)} ON {table};"
        )
