"""Plan -> files that a DBA reviews and psql runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from rlsguard.names import QualifiedName
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.model import (
    AuditTriggers,
    Grants,
    GuardFile,
    MapRows,
    Plan,
    Protection,
    Roles,
    State,
    Unit,
    View,
)
from rlsguard.render.event_triggers import pause_event_triggers, resume_event_triggers
from rlsguard.render.manifest import note
from rlsguard.render.sql import statements
from rlsguard.sqlfiles import read

# Names that `_slug` makes, and no other: nobody's path gets in here.
_INCLUDE = re.compile(r"^\\ir '(\d{3}_[a-z0-9_.]+\.sql)'\n", re.MULTILINE)


def files(plan: Plan) -> Mapping[str, str]:
    """Return the plan as files, name to text, in the order of their running and the same from run to run.

    `apply.sql` runs all the others in one transaction.
    """
    grouped: dict[str, list[str]] = {"000_session.sql": [read("each/session.sql")]}
    for unit in plan.units:
        grouped.setdefault(_file_of(unit), []).append(statements(unit))
    grouped["015_become_owner.sql"] = [read("each/become_owner.sql")]
    grouped["900_manifest.sql"] = [note(plan.units)]
    grouped["990_leave_owner.sql"] = [read("each/leave_owner.sql")]
    if any(isinstance(unit, EventTriggers) for unit in plan.units):
        grouped["005_pause_event_triggers.sql"] = [pause_event_triggers()]
        grouped["980_resume_event_triggers.sql"] = [resume_event_triggers()]
    order = sorted(grouped)
    included = "".join(f"\\ir '{name}'\n" for name in order[1:])
    run = read("each/run.sql").replace("-- FILES\n", included)
    return {"apply.sql": run, **{name: "\n".join(grouped[name]) for name in order}}


def as_one_file(files: Mapping[str, str]) -> str:
    """Return the same as one script, in which every file is preceded by its name."""
    return _INCLUDE.sub(lambda include: f"-- {include[1]}\n{files[include[1]]}\n", files["apply.sql"])


def stale_files(before: str, files: Mapping[str, str]) -> list[str]:
    """Return the files that an earlier `apply.sql` ran and that are not among *files*."""
    return [name for name in _INCLUDE.findall(before) if name not in files]


def _file_of(unit: Unit) -> str:
    match unit:
        case Roles():
            return "010_roles.sql"
        case GuardFile():
            return unit.file
        case MapRows():
            return "100_map.sql"
        case State():
            return "300_state.sql"
        case Grants():
            return "200_grants.sql"
        case View():
            return "400_views.sql"
        case Protection():
            return f"500_protect_{_slug(unit.name)}.sql"
        case EventTriggers():
            return "700_event_triggers.sql"
        case AuditTriggers():
            return f"600_audit_{_slug(unit.name)}.sql"
    raise TypeError(f"no file for {type(unit).__name__}")


def _slug(name: QualifiedName) -> str:
    """Return a file name part for a table: readable, and one of its own even for odd names."""
    plain = str(name)
    if re.fullmatch(r"[a-z0-9_.]+", plain):
        return plain
    return re.sub(r"[^a-z0-9_.]+", "_", plain.lower()) + "_" + hashlib.sha256(plain.encode()).hexdigest()[:8]
