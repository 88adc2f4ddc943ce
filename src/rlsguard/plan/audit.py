"""Which triggers audit a table: by statement where that is safe and faster, else by row."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import Audit, TableEntry
from rlsguard.names import QualifiedName
from rlsguard.plan.model import AuditTriggers, Trigger

# Triggers of one kind fire in the order of their names: each role is handed over right before it is used.
_ROLE = Trigger("rlsguard_1_role", ("INSERT", "DELETE", "TRUNCATE"), "STATEMENT", "hand_over_role")
_ROLE_ROWS = Trigger("rlsguard_1_role_rows", ("UPDATE",), "ROW", "hand_over_role")
_INSERT = Trigger("rlsguard_2_insert", ("INSERT",), "STATEMENT", "audit_rows", "inserted_rows")
_DELETE = Trigger("rlsguard_2_delete", ("DELETE",), "STATEMENT", "audit_rows", "deleted_rows")
_UPDATE = Trigger("rlsguard_2_update", ("UPDATE",), "ROW", "audit_change")
_ROLE_TRUNCATE = Trigger("rlsguard_1_role", ("TRUNCATE",), "STATEMENT", "hand_over_role")
_TRUNCATE = Trigger("rlsguard_2_truncate", ("TRUNCATE",), "STATEMENT", "audit_change")
_ROLE_ALL_ROWS = Trigger("rlsguard_1_role_rows", ("INSERT", "UPDATE", "DELETE"), "ROW", "hand_over_role")
_ALL_ROWS = Trigger("rlsguard_2_rows", ("INSERT", "UPDATE", "DELETE"), "ROW", "audit_change")

# Transition tables cannot serve an UPDATE: they pair old and new rows by place only.
_BY_STATEMENT = (_ROLE, _ROLE_ROWS, _INSERT, _DELETE, _UPDATE, _TRUNCATE)
_BY_ROW = (_ROLE_ALL_ROWS, _ALL_ROWS, _ROLE_TRUNCATE, _TRUNCATE)
# Row triggers of a partitioned table are on every partition, those to come included; TRUNCATE's are not.
_PARTITION = (_ROLE_TRUNCATE, _TRUNCATE)


def audit_triggers(entry: TableEntry, table: Table, catalog: Catalog) -> Iterator[AuditTriggers]:
    """Yield the triggers for *table* and, where they do not follow by themselves, for what inherits from it."""
    if entry.audit is None:
        return
    family = (table, *catalog.descendants(table))
    for member in family:
        if member.kind not in "rp":
            continue
        triggers: tuple[Trigger, ...]
        if member.is_partition and member is not table:
            triggers = _PARTITION
        elif _needs_rows(member, catalog):
            triggers = _BY_ROW
        else:
            triggers = _BY_STATEMENT
        yield _of(entry.audit, member, triggers)


def audit_of_child(entry: TableEntry, child: QualifiedName, *, partition: bool) -> AuditTriggers | None:
    """Return what audits *child*, a table to come under that of *entry* which has nothing under it itself."""
    if entry.audit is None:
        return None
    triggers = _PARTITION if partition else _BY_ROW
    return AuditTriggers(child, 0, triggers, entry.audit.redact, entry.audit.hash, None)


def _needs_rows(table: Table, catalog: Catalog) -> bool:
    """Tell whether statement triggers would miss changes: direct writes to a leaf, rows of children, replication."""
    return bool(table.kind == "p" or table.children or table.parents or table.name in catalog.subscribed)


def _of(audit: Audit, table: Table, triggers: tuple[Trigger, ...]) -> AuditTriggers:
    adder = table.owner if table.kind == "p" else None
    return AuditTriggers(table.name, table.oid, triggers, audit.redact, audit.hash, adder)
