"""The one expression of a table's policy, laid out for a DBA's eye."""

from __future__ import annotations

from psycopg import sql

from rlsguard.names import Name, QualifiedName
from rlsguard.plan.model import JoinColumns, Lookup, Protection


def equals(schema: str) -> sql.Composable:
    """Return `=`, naming its schema where the type brings its own (citext falls back to text otherwise)."""
    if schema == "pg_catalog":
        return sql.SQL("=")
    return sql.SQL("OPERATOR({}.=)").format(Name(schema))


def conjunction(parts: list[sql.Composable]) -> sql.Composable:
    """Return *parts* joined by AND."""
    return sql.SQL(" AND ").join(parts)


def policy_expression(protection: Protection) -> sql.Composable:
    """Return USING and WITH CHECK of the policy: true for rows that the reader may see.

    `NULLIF(EXISTS (...), true) IS NOT NULL` is NOT EXISTS with a better guess by the planner: it takes
    this for true of nearly every row, where it takes NOT EXISTS for true of half of them.
    """
    # An error while the guard is blind. IS NOT NULL, for the planner takes a bare boolean for true of half the rows.
    sight = "COALESCE((SELECT s.sees FROM rlsguard_views.sight AS s), rlsguard.refuse_blind()) IS NOT NULL"
    conditions: list[sql.Composable] = [sql.SQL(sight)]
    for look in protection.lookups:
        conditions.append(_not_suppressed(protection.name, look))
        if look.hide_unknown:
            conditions.append(_known(protection.name, look))
    visible = sql.SQL("\n        AND ").join(conditions)
    return _or_guard(visible) if protection.marker else visible


def present_expression(protection: Protection) -> sql.Composable:
    """Return a condition that is true as long as the table's policy is there; it depends on nothing but the catalog."""
    there = sql.SQL(
        "NULLIF(EXISTS (\n"
        "            SELECT FROM pg_catalog.pg_policy AS p\n"
        "            WHERE p.polrelid = {}::regclass AND p.polname = {}\n"
        "        ), false) IS NOT NULL"
    ).format(sql.Literal(str(protection.name)), sql.Literal(protection.policy))
    return _or_guard(there) if protection.marker else there


def _or_guard(condition: sql.Composable) -> sql.Composable:
    """Return *condition* or "it is the guard itself, following a path over this table", who must find every row."""
    return sql.SQL("({})\n        OR EXISTS (SELECT FROM rlsguard.guard_only)").format(condition)


def baseline_expression(protection: Protection) -> sql.Composable:
    """Return a condition that is always true, and that depends on the views and columns of the policy."""
    parts: list[sql.Composable] = []
    for look in protection.lookups:
        for view in (look.suppressed, look.known):
            if view is not None:
                parts.append(sql.SQL("{}::regclass IS NOT NULL").format(sql.Literal(str(view))))
    columns = dict.fromkeys(column for look in protection.lookups for column in look.route.here_columns)
    named = [sql.SQL("{} IS NULL").format(_column(protection.name, column)) for column in columns]
    return sql.SQL("({}) OR ({})").format(conjunction(parts), conjunction(list(named)))


def _not_suppressed(table: QualifiedName, look: Lookup) -> sql.Composable:
    if look.scans:
        return _not_in_list(table, look)
    exists = sql.SQL("NULLIF(EXISTS (SELECT FROM {view} AS {s} WHERE {match}), true) IS NOT NULL")
    return exists.format(view=look.suppressed.sql, s=_alias(table), match=_match(table, look))


def _not_in_list(table: QualifiedName, look: Lookup) -> sql.Composable:
    """Return the same without correlation: hashed as a whole, in every parallel worker too.

    A correlated sub-select is not parallel-safe in any version. NULL, of a column that leads to nobody, is in no list.
    """
    route, alias = look.route, _alias(table)
    comma = sql.SQL(", ")
    columns = comma.join(_column(table, column) for column in route.here_columns)
    here = columns if len(route.here_columns) == 1 else sql.SQL("({})").format(columns)
    there = comma.join(sql.SQL("{}.{}").format(alias, Name(column)) for column in route.entry_columns)
    schema = route.entry_equalities[0]
    in_ = sql.SQL("IN") if schema == "pg_catalog" else sql.SQL("{} ANY").format(equals(schema))
    text = sql.SQL("NULLIF(COALESCE({here} {in_} (SELECT {there} FROM {view} AS {s}), false), true) IS NOT NULL")
    return text.format(here=here, in_=in_, there=there, view=look.suppressed.sql, s=alias)


def _known(table: QualifiedName, look: Lookup) -> sql.Composable:
    """Return what holds of a row whose person is known, or whose reader is held to no opt-out at all."""
    free = sql.SQL("(NOT EXISTS (SELECT FROM rlsguard.current_purpose) OR {})")
    if look.known is None:
        (column,) = look.route.here_columns
        # Not IS NOT NULL, which takes a composite key that is half null for none at all.
        return free.format(sql.SQL("{} IS DISTINCT FROM NULL").format(_column(table, column)))
    exists = sql.SQL("EXISTS (SELECT FROM {view} AS {s} WHERE {match})")
    return free.format(exists.format(view=look.known.sql, s=_alias(table), match=_match(table, look)))


def _match(table: QualifiedName, look: Lookup) -> sql.Composable:
    route = look.route
    joins = route.steps[0].joins if route.steps else (JoinColumns(route.key, "subject_key", route.key_equality),)
    alias = _alias(table)
    return conjunction(
        [sql.SQL("{}.{} {} {}").format(alias, Name(j.there), equals(j.equality), _column(table, j.here)) for j in joins]
    )


def _column(table: QualifiedName, column: str) -> sql.Identifier:
    return Name(table.name, column)


def _alias(table: QualifiedName) -> sql.Identifier:
    """Return an alias for the view that does not hide the table of the same name."""
    return Name("s" if table.name != "s" else "suppressed")
