"""The event triggers' SQL: what a table gets that is not there yet, as formats for its name."""

from __future__ import annotations

import re

from psycopg import sql

from rlsguard.names import quote
from rlsguard.plan.event_triggers import CHILD, EventTriggers, Parent
from rlsguard.plan.model import AuditTriggers
from rlsguard.render.policy import baseline_expression, policy_expression
from rlsguard.render.sql import array, statements
from rlsguard.render.template import render, text
from rlsguard.undo import remove_event_triggers


@statements.register
def _(unit: EventTriggers) -> str:
    parents = [_formats(parent) for parent in unit.parents]
    return render("event_triggers.sql.j2", drops=[*remove_event_triggers()], parents=parents)


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
