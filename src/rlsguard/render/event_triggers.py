"""The event triggers' SQL: what a table gets that is not there yet, as formats for its name."""

from __future__ import annotations

import re

from psycopg import sql

from rlsguard.names import quote
from rlsguard.plan.event_triggers import CHILD, EventTriggers, Parent
from rlsguard.plan.model import AuditTriggers
from rlsguard.render.policy import baseline_expression, policy_expression
from rlsguard.render.sql import array, statements
from rlsguard.render.template import remark, render, text
from rlsguard.undo import remove_event_triggers


@statements.register
def _(unit: EventTriggers) -> str:
    parents = [_formats(parent) for parent in unit.parents]
    return render("event_triggers.sql.j2", drops=[*remove_event_triggers()], parents=parents)


def pause_event_triggers() -> str:
    """Return the SQL by which they let the transaction that it is run in change the guard."""
    words = "The guard's event triggers let this transaction change the guard; other sessions meet them all the while."
    return render("switch_event_triggers.sql.j2", remark=remark(words), mode=sql.SQL("DISABLE"))


def resume_event_triggers() -> str:
    """Return the SQL that ends that."""
    words = "The guard's event triggers go on, for sessions with session_replication_role = replica too."
    return render("switch_event_triggers.sql.j2", remark=remark(words), mode=sql.SQL("ENABLE ALWAYS"))


def _formats(parent: Parent) -> dict[str, sql.Composable]:
    lookups = parent.protection.lookups
    views = {view.name for look in lookups for view in (look.suppressed, look.known) if view is not None}
    audit = parent.audit
    return {
        "parent": sql.Literal(str(parent.table)),
        "columns": array(sorted({column for look in lookups for column in look.route.here_columns})),
        "visible": sql.Literal(_format(text(policy_expression(parent.protection)))),
        "baseline": sql.Literal(_format(text(baseline_expression(parent.protection)))),
        "views": array(sorted(views)),
        "audit": sql.Literal(None if audit is None else _format(_making(audit))),
        "triggers": array([] if audit is None else [trigger.name for trigger in audit.triggers]),
    }


def _format(expression: str) -> str:
    """Return SQL that names `CHILD` as a format, whose arguments are the table's bare name and its qualified one."""
    child = quote(CHILD.name)
    return expression.replace("%", "%%").replace(str(CHILD), "%2$s").replace(f"{child}.", "%1$I.")


def _making(unit: AuditTriggers) -> str:
    """Return the statements of *unit* without remarks, and without the drops of what a new table does not have."""
    return re.sub(r"^(--|DROP TRIGGER ).*\n", "", statements(unit), flags=re.MULTILINE)
