"""What a statement of rlsguard's locks, and what that means, as a remark for whoever reviews it.

The modes are those of https://www.postgresql.org/docs/current/explicit-locking.html; tests hold each remark
against what pg_locks shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rlsguard.migrate.statements import without_remarks
from rlsguard.names import IDENTIFIER
from rlsguard.render.template import remark, text

_CATALOG = "Milliseconds: only the catalog changes."
_PARTITIONS = "And on its partitions, if it has any. " + _CATALOG
_NAME = rf"{IDENTIFIER}\.{IDENTIFIER}"
_RULES = tuple(
    (re.compile(pattern.replace("ANY", IDENTIFIER).replace("NAME", f"({_NAME})"), re.DOTALL), mode, hazard)
    for pattern, mode, hazard in (
        (
            r"CALL rlsguard\.lock_table\((.+)\)",
            "ACCESS EXCLUSIVE",
            "Waits until whoever uses it now has left, and then for a moment at a time, while others wait behind.",
        ),
        (r"LOCK TABLE ONLY NAME IN ACCESS EXCLUSIVE MODE", "ACCESS EXCLUSIVE", "Until the end of the transaction."),
        (r"ALTER TABLE NAME (?:ENABLE|DISABLE|NO FORCE) ROW LEVEL SECURITY", "ACCESS EXCLUSIVE", _CATALOG),
        (r"(?:CREATE|DROP) POLICY (?:IF EXISTS )?ANY ON NAME", "ACCESS EXCLUSIVE", _CATALOG),
        # Those of partitioned tables have such names, and others of row triggers.
        (r"DROP TRIGGER IF EXISTS \w+_rows ON NAME", "ACCESS EXCLUSIVE", _PARTITIONS),
        (r"CREATE TRIGGER \w+_rows\s[A-Z\s]+ ON NAME", "SHARE ROW EXCLUSIVE", _PARTITIONS),
        (r"ALTER TABLE NAME ENABLE ALWAYS TRIGGER \w+_rows", "SHARE ROW EXCLUSIVE", _PARTITIONS),
        (r"DROP TRIGGER IF EXISTS ANY ON NAME", "ACCESS EXCLUSIVE", _CATALOG),
        (r"CREATE (?:OR REPLACE )?TRIGGER ANY\s[A-Z\s]+ ON NAME", "SHARE ROW EXCLUSIVE", _CATALOG),
        (r"ALTER TABLE NAME ENABLE ALWAYS TRIGGER", "SHARE ROW EXCLUSIVE", _CATALOG),
        (
            r"ALTER TABLE NAME SET LOGGED",
            "ACCESS EXCLUSIVE",
            "Milliseconds: it is LOGGED already.",
        ),
        (r"ALTER TABLE NAME (?:ALTER COLUMN ANY )?SET \(", "SHARE UPDATE EXCLUSIVE", _CATALOG),
        (r"ALTER TABLE NAME ALTER COLUMN ANY SET NO CYCLE", "ACCESS EXCLUSIVE", _CATALOG),
        (r"COMMENT ON (?:TABLE|VIEW) NAME", "SHARE UPDATE EXCLUSIVE", _CATALOG),
        (r"COMMENT ON COLUMN NAME\.", "SHARE UPDATE EXCLUSIVE", _CATALOG),
        (
            r"CREATE OR REPLACE VIEW NAME",
            "ACCESS EXCLUSIVE",
            "Where it is there already; queries whose policies ask it wait. " + _CATALOG,
        ),
        (r"DROP (?:VIEW|TABLE) IF EXISTS NAME", "ACCESS EXCLUSIVE", _CATALOG),
        (rf"ANALYZE ({_NAME}(?:, {_NAME})*)", "SHARE UPDATE EXCLUSIVE", "Reads these small tables."),
        (r"(?:DELETE FROM|INSERT INTO) NAME", "ROW EXCLUSIVE", "Rows of the guard's own."),
        (
            r"CREATE INDEX IF NOT EXISTS ANY ON NAME",
            "SHARE",
            "Where the index is missing, it is made by reading all of the table, which nobody writes meanwhile.",
        ),
        (
            r"CREATE INDEX CONCURRENTLY ANY ON NAME",
            "SHARE UPDATE EXCLUSIVE",
            "Reads the table twice and waits for transactions older than itself; everybody may go on writing.",
        ),
        (
            r"DROP INDEX CONCURRENTLY IF EXISTS NAME",
            "SHARE UPDATE EXCLUSIVE",
            "And on its table; waits for transactions that use it, and everybody may go on writing.",
        ),
        (r"DO .*'{((?:log_\w+(?:, )?)+)}'", "ACCESS EXCLUSIVE", _CATALOG),
        (
            r"DO .*DROP (SCHEMA rlsguard_views);",
            "ACCESS EXCLUSIVE",
            "And on all else of the guard's, but for what it has recorded. No policy asks it any more.",
        ),
        (r"DO .*DROP TABLE IF EXISTS NAME", "ACCESS EXCLUSIVE", "Where its key was of another type."),
    )
)


@dataclass(frozen=True, slots=True)
class Lock:
    """The strongest lock of a statement that somebody could be waiting for.

    Attributes:
        mode: as LOCK TABLE spells it.
        relation: as the statement spells it.
    """

    mode: str
    relation: str
    hazard: str

    def __str__(self) -> str:
        return f"{self.mode} on {self.relation}. {self.hazard}"


def lock_of(statement: str) -> Lock | None:
    """Return what *statement*, of rlsguard's own making, locks; None where it holds up nobody."""
    bare = without_remarks(statement)
    for pattern, mode, hazard in _RULES:
        match = pattern.match(bare)
        if match is not None:
            return Lock(mode, _spelled(match[1]), hazard)
    return None


def _spelled(relation: str) -> str:
    """Return *relation* as SQL names it, or several that are written as literals."""
    literals = re.findall(r"(E?)'((?:[^']|'')+)'", relation) if relation.lstrip("E ").startswith("'") else ()
    names = ((name.replace("\\\\", "\\") if escaped else name).replace("''", "'") for escaped, name in literals)
    return ", ".join(names) or relation


def remarked(statement: str) -> str:
    """Return *statement* after a remark of its lock, if it has one."""
    lock = lock_of(statement)
    return statement if lock is None else f"{text(remark(f'-- {lock}'))}\n{statement}"
