"""Plan -> SQL: each unit as idempotent statements, and the plan as files that psql can run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import singledispatch

from psycopg import sql

from rlsguard.datamap.model import Joint
from rlsguard.names import Name, QualifiedName, quote
from rlsguard.plan.model import (
    AuditTriggers,
    Grants,
    GuardFile,
    JoinColumns,
    MapRows,
    Protection,
    Roles,
    Route,
    State,
    Unit,
    View,
    guard,
    state_table,
)
from rlsguard.render.policy import baseline_expression, conjunction, equals, policy_expression, present_expression
from rlsguard.render.template import remark, render
from rlsguard.sqlfiles import read
from rlsguard.undo import remove_state

# A tenth of a key's rows have no twin, says -0.05 to the planner; the probe then looks as cheap as it is.
# docs/performance.md has the sweep that found it.
N_DISTINCT = -0.05

_INCLUDE = re.compile(r"^-- (\w+\.sql)\n", re.MULTILINE)

# A first row by the type's category, so that statistics exist before the first opt-out. Types of other
# categories take a key of the subject's own table, if it has one.
_SAMPLES = {"N": "0", "S": "", "D": "-infinity", "B": "false"}


@singledispatch
def statements(unit: Unit) -> str:
    """Return the idempotent SQL that makes *unit* what it must be."""
    raise TypeError(f"no SQL for {type(unit).__name__}")


@statements.register
def _(unit: Roles) -> str:
    return render("roles.sql.j2", bypass=unit.bypass)


@statements.register
def _(unit: GuardFile) -> str:
    # What is in the one file as a line of that name.
    return _INCLUDE.sub(lambda line: read(line[1]), read(f"guard/{unit.file}"))


@statements.register
def _(unit: MapRows) -> str:
    return render(
        "map_rows.sql.j2",
        comma=lambda last: sql.SQL("" if last else ","),
        expect_kept=expect_kept(unit),
        kinds=array(tuple(row.kind for row in unit.subjects)),
        subjects=[
            {
                "kind": sql.Literal(row.kind),
                "schema": sql.Literal(row.table.schema),
                "table": sql.Literal(row.table.name),
                "key": sql.Literal(row.key),
                "type": sql.Literal(row.type.sql),
            }
            for row in unit.subjects
        ],
        purposes=[
            {"name": sql.Literal(name), "opt_out": sql.Literal(opt_out), "description": sql.Literal(description)}
            for name, opt_out, description in unit.purposes
        ],
        roles=[{"role": _role(role), "purpose": sql.Literal(purpose)} for role, purpose in unit.roles],
        exempt=[
            {"role": _role(role), "reason": sql.Literal(reason), "until": sql.Literal(until)}
            for role, reason, until in unit.exempt
        ],
    )


@statements.register
def _(unit: State) -> str:
    key = unit.key
    collate: sql.Composable = sql.SQL("")
    if key.collation is not None:
        collate = sql.SQL(" COLLATE {}").format(key.collation.sql)
    return render(
        "state.sql.j2",
        remark=remark(unit.kind),
        kind=sql.Literal(unit.kind),
        names=array((unit.name.name, *(f"{what}_{unit.kind}" for what in ("key", "change", "order", "spellings")))),
        state=unit.name.sql,
        named=sql.Literal(str(unit.name)),
        type=_type(key.type.sql),
        type_named=sql.Literal(key.type.sql),
        remove=remove_state(unit.kind),
        collate=collate,
        n_distinct=sql.Literal(N_DISTINCT),
        comment=sql.Literal(f"Opt-outs of each {unit.kind} and purpose, in force or taken back"),
        equals=equals(key.type.equality or "pg_catalog"),
        key_function=guard(f"key_{unit.kind}").sql,
        change_function=guard(f"change_{unit.kind}").sql,
        order_function=guard(f"order_{unit.kind}").sql,
        spellings_function=guard(f"spellings_{unit.kind}").sql,
        spelled=_spelled(key.type.sql),
        sample=_sample(unit),
    )


@statements.register
def _(unit: Grants) -> str:
    return render(
        "grant.sql.j2",
        marker=not unit.bypass,
        schemas=[Name(schema) for schema in unit.schemas],
        type_schemas=[Name(schema) for schema in unit.type_schemas],
        tables=[
            {
                "table": t.table.sql,
                "columns": sql.SQL(", ").join(Name(c) for c in t.columns),
                "let_guard_in": sql.SQL(let_guard_in(t.table).rstrip()) if t.let_guard_in else None,
            }
            for t in unit.tables
        ],
    )


@statements.register
def _(unit: View) -> str:
    route, state = unit.route, state_table(unit.route.kind)
    if unit.what == "known":
        words = f"{described(route)}: rows that lead to a {route.kind}"
        first, *others = route.steps
        return render(
            "known.sql.j2",
            remark=remark(words),
            names=array((unit.name.name,)),
            view=unit.name.sql,
            columns=_columns("h1", route.entry_columns),
            first=first.table.sql,
            joins=[_hop(route, number, "h") for number in range(2, len(route.steps) + 1)],
            key=Name(f"h{1 + len(others)}", route.key),
            comment=sql.Literal(words),
        )
    words = f"{described(route)}: rows that the current user must not see"
    last = len(route.steps)
    joins = []
    if last:
        key = Name(f"h{last}", route.key)
        on = sql.SQL("{} {} {}").format(key, equals(route.key_equality), Name("o", "subject_key"))
        joins = [{"table": route.steps[-1].table.sql, "alias": Name(f"h{last}"), "on": on}]
        joins += [_hop(route, number, "h", back=True) for number in range(last - 1, 0, -1)]
    return render(
        "suppressed.sql.j2",
        remark=remark(words),
        names=array((unit.name.name,)),
        view=unit.name.sql,
        state=state.sql,
        columns=_columns("h1" if last else "o", route.entry_columns),
        joins=joins,
        equals=equals(route.key_equality),
        all=_everyone(route) if route.joint == "all" and last else None,
        comment=sql.Literal(words),
    )


@statements.register
def _(unit: Protection) -> str:
    paths = "; ".join(described(look.route, entry=True) for look in unit.lookups)
    return render(
        "protect.sql.j2",
        remark=remark(f"{unit.name} ({', '.join(unit.holds)}): {paths}"),
        table=unit.name.sql,
        named=sql.Literal(str(unit.name)),
        row_security=sql.Literal(unit.before.row_security),
        forced=sql.Literal(unit.before.force),
        policies=array(unit.theirs),
        let_past=sql.Literal(unit.owner if unit.owner_policy and unit.before.row_security else None),
        policy=Name(unit.policy),
        expression=policy_expression(unit),
        baseline=baseline_expression(unit) if unit.baseline else None,
        present=present_expression(unit) if unit.present else None,
        owner=Name(unit.owner) if unit.owner_policy else None,
    )


@statements.register
def _(unit: AuditTriggers) -> str:
    withheld = unit.redact or unit.hash
    arguments = sql.SQL("{}, {}").format(array(unit.redact), array(unit.hash)) if withheld else sql.SQL("")
    return render(
        "audit.sql.j2",
        remark=remark(f"{unit.name}: row changes go to rlsguard.change_event"),
        table=unit.name.sql,
        adder=None if unit.adder is None else Name(unit.adder),
        triggers=[
            {
                "name": Name(t.name),
                "events": sql.SQL(" OR ").join(sql.SQL(event) for event in t.events),
                "level": sql.SQL(t.level),
                "referencing": _referencing(t.rows),
                "function": guard(t.function).sql,
                "arguments": sql.SQL("") if t.function == "hand_over_role" else arguments,
            }
            for t in unit.triggers
        ],
    )


def let_guard_in(table: QualifiedName) -> str:
    """Return the SQL by which the policies of a hop table let the guard see its rows."""
    return render("hop.sql.j2", table=table.sql)


def expect_kept(unit: MapRows) -> sql.Composed:
    """Return the statement that refuses a map by which opt-outs in force would end; it changes nothing."""
    return sql.SQL("CALL rlsguard.expect_kept(\n    {}\n);").format(_kept(unit))


def ending(unit: MapRows) -> sql.Composed:
    """Return the query for the opt-outs in force that the map would end: kind, purpose, number, missing name."""
    return sql.SQL("SELECT * FROM rlsguard.ending(\n    {}\n)").format(_kept(unit))


def _kept(unit: MapRows) -> sql.Composed:
    """Return the purposes and the kinds of person by which opt-outs are kept, as two arguments."""
    subjects = [
        sql.SQL("{}, jsonb_build_object('column', format('%I.%I.%I', {}, {}, {}), 'type', {})").format(
            sql.Literal(row.kind),
            *(sql.Literal(name) for name in (row.table.schema, row.table.name, row.key, row.type.sql)),
        )
        for row in unit.subjects
    ]
    purposes = array(tuple(name for name, opt_out, _ in unit.purposes if opt_out))
    return sql.SQL("{},\n    jsonb_build_object({})").format(purposes, sql.SQL(", ").join(subjects))


def described(route: Route, *, entry: bool = False) -> str:
    """Return a route in words: `client by account_id -> bank.disp -> client_id (any)`."""
    stops = [", ".join(route.here_columns)] if entry else []
    stops += [str(step.table) for step in route.steps]
    if route.steps or not entry:
        stops.append(quote(route.key))
    joint: Joint | str = f" ({route.joint})" if route.steps else ""
    return f"{route.kind} by {' -> '.join(stops)}{joint}"


def _role(name: str) -> sql.Literal:
    # regrole reads its input as an identifier.
    return sql.Literal(quote(name))


def _type(spelled: str) -> sql.SQL:
    # As format_type() of the server spells and quotes it.
    return sql.SQL(spelled)


def _spelled(type_sql: str) -> sql.Composable:
    """Return the stored key as text; of a type outside pg_catalog by its output function, past casts of the user's."""
    return sql.SQL("format('%s', s.subject_key)" if "." in type_sql else "s.subject_key::text")


def _sample(unit: State) -> sql.Composable:
    category, type_sql = unit.key.type.category, unit.key.type.sql
    if type_sql == "uuid":
        literal: sql.Composable = sql.Literal("00000000-0000-0000-0000-000000000000")
    elif re.match(r"time(\(|$| with)", type_sql):
        # Dates and times are one category, but there is no time of day before all others.
        literal = sql.Literal("00:00+00")
    elif category in _SAMPLES:
        literal = sql.Literal(_SAMPLES[category])
    else:
        own = sql.SQL("(SELECT {key}, '', false, 0 FROM {table} WHERE {key} IS DISTINCT FROM NULL LIMIT 1)")
        return own.format(key=Name(unit.key.name), table=unit.subject.sql)
    return sql.SQL("VALUES ({}::{}, '', false, 0)").format(literal, _type(type_sql))


def _columns(alias: str, names: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(", ").join(Name(alias, name) for name in dict.fromkeys(names))


def _hop(route: Route, number: int, alias: str, *, back: bool = False) -> dict[str, sql.Composable]:
    """Return the JOIN of step *number* (from 1) with the one before it; *back*: with the one after it."""
    here, there = (number, number + 1) if back else (number - 1, number)
    joins = route.steps[there - 1].joins
    on = conjunction([_join(j, f"{alias}{here}", f"{alias}{there}") for j in joins])
    return {"table": route.steps[number - 1].table.sql, "alias": Name(f"{alias}{number}"), "on": on}


def _join(join: JoinColumns, here: str, there: str) -> sql.Composable:
    return sql.SQL("{} {} {}").format(Name(there, join.there), equals(join.equality), Name(here, join.here))


def _everyone(route: Route) -> dict[str, object]:
    """Return the second walk of a `joint: all` view: over everybody whom the same row leads to."""
    first = route.steps[0]
    same = [
        sql.SQL("{} {} {}").format(Name("e1", j.there), equals(j.equality), Name("h1", j.there)) for j in first.joins
    ]
    return {
        "first": first.table.sql,
        "alias": Name("e1"),
        "joins": [_hop(route, number, "e") for number in range(2, len(route.steps) + 1)],
        "same": conjunction(list(same)),
        "key": Name(f"e{len(route.steps)}", route.key),
    }


def array(names: Sequence[str]) -> sql.Literal:
    """Return a text[] literal, every element quoted."""
    quoted = ('"' + re.sub(r'(["\\])', r"\\\1", name) + '"' for name in names)
    return sql.Literal("{" + ",".join(quoted) + "}")


def _referencing(rows: str | None) -> sql.SQL | None:
    if rows == "inserted_rows":
        return sql.SQL("NEW TABLE AS inserted_rows")
    return sql.SQL("OLD TABLE AS deleted_rows") if rows == "deleted_rows" else None
