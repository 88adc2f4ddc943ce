"""What makes guarded queries slow: missing statistics, a list that outgrows its memory, missing indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from psycopg import sql

from rlsguard.catalog.model import Table
from rlsguard.doctor.memory import HashedList, cliffs
from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene
from rlsguard.names import quote
from rlsguard.plan.indexes import missing_indexes
from rlsguard.plan.model import guard, policy_view

_STALE_ROWS = 1000


def statistics(scene: Scene) -> Iterator[Finding]:
    """Look whether the planner knows the guard's tables."""
    if not scene.here.installed:
        return
    wrong = [finding for state in scene.rows("states") for finding in _of_state(state)]
    for row in scene.rows("unanalysed"):
        wrong.append(_unanalysed(str(guard(row.name))))
    yield from wrong or (Finding("statistics", "ok", "", "the planner knows the guard's tables.", ""),)


def _of_state(state: Any) -> Iterator[Finding]:
    name = str(guard(state.name))
    if state.analysed_rows < 0:
        yield _unanalysed(name)
    elif state.changed_rows > max(_STALE_ROWS, state.analysed_rows):
        message = (
            f"{name} has changed by {state.changed_rows} rows since it was analysed with {state.analysed_rows:.0f}."
        )
        yield Finding("statistics", "warning", name, message, f"ANALYZE {name};")
    if not state.has_hint:
        message = f"{name} has lost its n_distinct setting: joins of guarded tables take longer."
        advice = f"Run rlsguard apply MAP, then ANALYZE {name};"
        yield Finding("statistics", "warning", name, message, advice)


def _unanalysed(name: str) -> Finding:
    message = f"{name} was never analysed: point look-ups cost many times what they could."
    return Finding("statistics", "warning", name, message, f"ANALYZE {name};")


def memory(scene: Scene) -> Iterator[Finding]:
    """Compare each list of opt-outs with the memory that readers may hash it in."""
    if not scene.here.installed:
        return
    (server,) = scene.rows("settings")

    def too_long(lists: Iterable[HashedList]) -> list[Finding]:
        return list(cliffs(lists, server, scene.role_settings, _readers(scene)))

    # All rows count, as if every purpose were the reader's.
    states = too_long(HashedList(str(guard(s.name)), s.rows, s.key_width) for s in scene.rows("states"))
    yield from states
    scans = too_long(_scanned(scene))
    yield from scans
    if not states and not scans:
        yield Finding("work-mem", "ok", "work_mem", "every list of opt-outs fits into hash memory.", "")


def _scanned(scene: Scene) -> Iterator[HashedList]:
    """Yield the lists that must fit, as long as the planner takes them to be."""
    for row in scene.rows("scans"):
        explain = sql.SQL("EXPLAIN (FORMAT JSON) SELECT * FROM {}").format(policy_view(row.name).sql)
        ((plans,),) = scene.conn.execute(explain).fetchall()
        plan = plans[0]["Plan"]
        yield HashedList(str(policy_view(row.name)), plan["Plan Rows"], plan["Plan Width"], tuple(row.tables))


def _readers(scene: Scene) -> list[str]:
    """Return the roles that opt-outs are meant for: those of the map that read for a purpose one can opt out of."""
    if scene.datamap is None:
        return []
    purposes = scene.datamap.purposes
    roles = scene.datamap.roles.values()
    return [r.name for r in roles if any(p in purposes and purposes[p].opt_out for p in r.purposes)]


def indexes(scene: Scene) -> Iterator[Finding]:
    """Look whether each hop of a path, and each list of opt-outs, is entered by an index."""
    wrong = dict.fromkeys([*_states_without_index(scene), *_hops_without_index(scene)])
    if scene.datamap is None and scene.here.installed and scene.rows("hops"):
        yield Finding("index", "note", "", "could not look at the indexes of paths without the map.", "Name the map.")
    elif not wrong:
        yield Finding("index", "ok", "", "every hop of a path and every list of opt-outs is entered by an index.", "")
    yield from wrong


def _states_without_index(scene: Scene) -> Iterator[Finding]:
    for state in scene.rows("states") if scene.here.installed else ():
        if not state.has_index:
            name = str(guard(state.name))
            message = f"{name} has no index that begins with subject_key: each row is looked up by a scan."
            yield Finding("index", "warning", name, message, f"CREATE INDEX CONCURRENTLY ON {name} (subject_key);")


def _hops_without_index(scene: Scene) -> Iterator[Finding]:
    if scene.datamap is not None:
        yield from (_no_index(table, columns) for table, columns in missing_indexes(scene.datamap, scene.catalog))


def _no_index(table: Table, columns: tuple[str, ...]) -> Finding:
    listed = ", ".join(map(quote, columns))
    message = f"{table.name} is entered by {listed}, which no index begins with: point look-ups scan the table."
    # A partitioned table takes no CONCURRENTLY.
    how = "CREATE INDEX" if table.kind == "p" else "CREATE INDEX CONCURRENTLY"
    return Finding("index", "warning", str(table.name), message, f"{how} ON {table.name} ({listed});")
