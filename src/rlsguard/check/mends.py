"""What ends a finding about an object of the guard: the SQL that does it by itself, or an apply."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from rlsguard.check.manifest import APPLY
from rlsguard.check.scene import Scene
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import AuditTriggers, Protection, Unit
from rlsguard.prove.around.revoking import leave

# How the lines of a table's definition begin that are no columns; an apply sees to those that are not constraints.
_CONSTRAINTS = ("CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE")
_OTHERS = ("TABLE", "UNLOGGED", "OWNER", "RIGHTS", "WITH", "ROW", "FORCE", "WITHOUT", "STALE", "CHILD", *_CONSTRAINTS)


def mend(scene: Scene, name: str, unit: Unit | None, expected: str | None, found: str) -> str:
    """Return what makes the object *name* what is *expected*."""
    if isinstance(unit, Protection) and found.endswith("WITHOUT CHILDREN"):
        shown = "UPDATE pg_catalog.pg_class SET relhassubclass = true WHERE oid = {}::regclass;"
        return sql.SQL(shown).format(sql.Literal(str(unit.name))).as_string()
    if isinstance(unit, Protection) and name.startswith("row security "):
        return f"ALTER TABLE {unit.name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    # What no apply touches.
    statements = list(_beyond_apply(scene, name, expected or "", found))
    if isinstance(unit, AuditTriggers) and name.startswith("trigger "):
        trigger = next(t.name for t in unit.triggers if name.endswith(f" {t.name}"))
        statements.append(f"ALTER TABLE {unit.name} ENABLE ALWAYS TRIGGER {quote(trigger)};")
    return f"{' '.join(statements)}  -- if that is not all, {APPLY}" if statements else APPLY


def _beyond_apply(scene: Scene, name: str, expected: str, found: str) -> Iterator[str]:
    kind, _, rest = name.partition(" ")
    if kind == "role":
        yield from _of_role(scene, rest, expected, found)
    if "\nSTALE INDEX " in found:
        yield f"REINDEX TABLE {rest};"
    if kind in ("schema", "relation", "sequence", "function"):
        yield from _of_owner(kind, rest, expected, found)
    if kind == "relation" and expected.startswith("TABLE"):
        yield from _of_table(QualifiedName(*rest.split(".", 1)), expected.splitlines(), found.splitlines())


def _of_role(scene: Scene, role: str, expected: str, found: str) -> Iterator[str]:
    members = found.partition(" with the members ")[2].split(", ")
    for member in scene.catalog.roles:
        if quote(member) in members:
            yield leave(scene.surroundings, role, member)
    # Roles are the server's.
    if role == "rlsguard_owner" and " BYPASSRLS" in found and " BYPASSRLS" not in expected:
        yield f"ALTER ROLE {role} NOBYPASSRLS;  -- unless the guard of another database rests on it"


def _of_owner(kind: str, rest: str, expected: str, found: str) -> Iterator[str]:
    wanted, there = _owner(expected), _owner(found)
    if wanted is None or there == wanted:
        return
    schema, _, name = rest.partition(".")
    match kind:
        case "schema":
            what = f"SCHEMA {quote(rest)}"
        case "function":
            function, _, arguments = name.partition("(")
            what = f"ROUTINE {QualifiedName(schema, function)}({arguments}"
        case "sequence":
            what = f"TABLE {QualifiedName(schema, name.removesuffix('_id_seq'))}"  # it goes with its table
        case _:
            what = f"{'VIEW' if found.startswith('VIEW') else 'TABLE'} {QualifiedName(schema, name)}"
    yield f"ALTER {what} OWNER TO {'CURRENT_USER' if wanted == 'SUPERUSER' else wanted};"
    if wanted == "rlsguard_nobody":
        yield f"GRANT EXECUTE ON {what} TO rlsguard_owner;"


def _owner(definition: str) -> str | None:
    owners = [line.removeprefix("OWNER ") for line in definition.splitlines() if line.startswith("OWNER ")]
    return owners[-1] if owners else None


def _of_table(table: QualifiedName, expected: list[str], found: list[str]) -> Iterator[str]:
    more = [line for line in found if line not in expected]
    less = [line for line in expected if line not in found]
    for line in more:
        word, _, rest = line.partition(" ")
        if word == "CHILD":
            yield f"ALTER TABLE {rest} NO INHERIT {table};"
        elif word not in _OTHERS and not any(other.startswith(f"{word} ") for other in expected):
            yield f"ALTER TABLE {table} DROP COLUMN {quote(word)};"
    for line in less:
        word = line.partition(" ")[0]
        if word in _CONSTRAINTS:
            yield f"ALTER TABLE {table} ADD {line};"
        elif word not in _OTHERS and line.replace(" NOT NULL", "") in more:
            yield f"ALTER TABLE {table} ALTER COLUMN {quote(word)} SET NOT NULL;"
