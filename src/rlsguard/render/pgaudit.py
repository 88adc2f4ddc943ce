"""DataMap -> pgaudit: object auditing of the mapped tables and columns, and a log that evidence can be read from.

https://github.com/pgaudit/pgaudit and https://www.postgresql.org/docs/current/runtime-config-logging.html
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from rlsguard.datamap.model import DataMap, TableEntry
from rlsguard.render.template import remark, render

Target = Literal["conf", "alter-system", "rds"]

_ROLE = "rlsguard_pgaudit"
_RDS_ROLE = "rds_pgaudit"
# The roles that object auditing goes by: here, and where the service has one of its own.
ROLES = (_ROLE, _RDS_ROLE)
_WIDTH = 108


@dataclass(frozen=True, slots=True)
class _Setting:
    """One setting and why it is set so.

    Attributes:
        rds: its value on RDS; None where RDS lists no such parameter (the default is what we want).
        since: the first server_version_num whose pgaudit has it; 0 for all.
    """

    name: str
    value: str
    why: str
    rds: str | None
    since: int = 0

    @property
    def of_pgaudit(self) -> bool:
        return self.name.startswith("pgaudit.")


_PRELOAD = _Setting(
    "shared_preload_libraries",
    "pgaudit",
    "pgaudit only loads with the server, so this takes a restart.",
    rds="pg_stat_statements,pgaudit",
)
_CLASSES = _Setting(
    "pgaudit.log",
    "ddl, role, misc_set",
    "What object auditing leaves out: who weakened a policy (ddl), who got BYPASSRLS or a membership (role), and "
    "which role a session read as after SET ROLE, for the log's user stays the one who logged in (misc_set).",
    rds="ddl,role,misc_set",
)
_SETTINGS = (
    _Setting(
        "pgaudit.role",
        _ROLE,
        "Object auditing: a statement is logged when it uses a right that this role has, so its grants in pgaudit.sql "
        "choose the tables and columns.",
        rds=_RDS_ROLE,
    ),
    _Setting(
        "pgaudit.log_statement",
        "on",
        "What was asked of the table is the evidence, not only that it was touched.",
        rds=None,
    ),
    _Setting(
        "pgaudit.log_statement_once",
        "on",
        "A policy reads the tables on the way to the person too, each with a line of its own: the text stands in the "
        "first line only.",
        rds="1",
    ),
    _Setting(
        "pgaudit.log_parameter",
        "on",
        "Without its parameters a prepared statement does not say whom it asked for. They are personal data: guard "
        "the log like the tables.",
        rds="1",
    ),
    _Setting(
        "pgaudit.log_parameter_max_size",
        "8192",
        "Bytes: a key is short, a document that an application stores need not be copied into the log.",
        rds="8192",
        since=160000,
    ),
    _Setting(
        "pgaudit.log_rows",
        "off",
        "On, pgaudit waits for the end of a statement to count its rows, and one that fails or a cursor left open "
        "leaves no line at all.",
        rds=None,
    ),
    _Setting(
        "pgaudit.log_client",
        "off",
        "On, the lines would also go to the reader, and tell which tables the policy looks at.",
        rds=None,
    ),
    _Setting(
        "log_destination",
        "jsonlog",
        "Every line carries session, line number, virtual transaction, user, client address, application and "
        "SQLSTATE in fields of their own, and no statement can forge one.",
        rds="stderr,csvlog",
    ),
    _Setting(
        "logging_collector", "on", "Log files in JSON are written by the collector; it takes a restart.", rds=None
    ),
    _Setting(
        "log_filename",
        "postgresql-%Y-%m-%d_%H%M%S.log",
        "Names that never come back: some packages name files by the weekday.",
        rds=None,
    ),
    _Setting(
        "log_truncate_on_rotation", "off", "A file that was there is added to, never emptied: it is evidence.", rds=None
    ),
    _Setting(
        "log_file_mode",
        "0600",
        "Statements and parameters are personal data: for the server's own user only.",
        rds=None,
    ),
    _Setting("log_timezone", "UTC", "Times that daylight saving never repeats, alike on every server.", rds=None),
    _Setting(
        "log_connections",
        "on",
        "Where a session begins: who logged in, from where, before any statement; a missing beginning is a gap.",
        rds="1",
    ),
    _Setting(
        "log_disconnections",
        "on",
        "Where a session ends: line numbers up to here are complete or the log has a gap.",
        rds="1",
    ),
    _Setting(
        "log_min_messages",
        "warning",
        "Errors and pgaudit's lines (level LOG) are written; from fatal on they would not be.",
        rds="warning",
    ),
    _Setting(
        "log_min_error_statement",
        "error",
        "A refused write is an error, and its statement is written with it.",
        rds="error",
    ),
)
_RETENTION = _Setting(
    "rds.log_retention_period", "10080", "Minutes: seven days is the most; publish the log to CloudWatch to keep it.",
    rds="10080",
)  # fmt: skip

_STDERR_PREFIX = "%m|%c|%l|%p|%v|%x|%e|%q%h|%u|%d|%a| "


def pgaudit(datamap: DataMap, target: Target) -> dict[str, str]:
    """Return what object auditing of the map's tables and columns needs, as files: name to text.

    `pgaudit.sql` (role and grants) and `pgaudit_undo.sql` come with every target. The settings come as `pgaudit.conf`
    for `conf`, as `pgaudit_settings.sql` for `alter-system`, as `pgaudit_parameters.sh` (AWS CLI) for `rds`.
    """
    on_rds, by_sql = target == "rds", target == "alter-system"
    resets = [sql.SQL(s.name) for s in (_CLASSES, *_SETTINGS) if by_sql and not s.since]
    undo = render("pgaudit_undo.sql.j2", resets=resets)
    return {**_settings(target), "pgaudit.sql": _grants(datamap, on_rds), "pgaudit_undo.sql": undo}


def settings_in_force(server_version: int) -> dict[str, str]:
    """Return pgaudit's own settings as they should be, but for the role; those that only add to the log are left out.

    Args:
        server_version: as server_version_num.
    """
    wanted = (s for s in (_CLASSES, *_SETTINGS) if s.of_pgaudit and s.name != "pgaudit.role")
    return {s.name: s.value for s in wanted if s.since <= server_version and s.name != "pgaudit.log_parameter_max_size"}


def _settings(target: Target) -> dict[str, str]:
    match target:
        case "conf":
            return {"pgaudit.conf": _conf()}
        case "alter-system":
            return {"pgaudit_settings.sql": _alter_system()}
        case "rds":
            return {"pgaudit_parameters.sh": _parameter_group()}


def _grants(datamap: DataMap, on_rds: bool) -> str:
    roles = (_ROLE, _RDS_ROLE) if on_rds else (_ROLE,)
    return render(
        "pgaudit.sql.j2",
        on_rds=on_rds,
        roles=sql.SQL(", ").join(sql.Literal(role) for role in roles),
        master=sql.SQL(roles[-1]),
        comma=lambda last: sql.SQL(";" if last else ","),
        tables=[
            {"relation": sql.Literal(str(entry.table)), "columns": _columns(entry)} for entry in datamap.tables.values()
        ],
    )


def _columns(entry: TableEntry) -> sql.Composable:
    # Whoever reads any column of a row about a person has that person's row hidden or shown: the whole table counts.
    # A table about nobody counts by the columns that the map names.
    if entry.holds:
        return sql.SQL("NULL")
    if not entry.columns:
        return sql.SQL("'{}'")
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(sql.Literal(column) for column in entry.columns))


def _conf() -> str:
    lines = [
        "# Settings for pgaudit and the log that evidence is read from. Name this file last in postgresql.conf:",
        "#   include 'pgaudit.conf'",
        "# restart the server, then run pgaudit.sql in the database that the map describes.",
        "",
        *_comment(f"{_PRELOAD.why} This line replaces an earlier one: add what that one loads."),
        _assignment(_PRELOAD),
        "",
        *_comment(f"{_CLASSES.why} It replaces an earlier line: add the classes of that one."),
        _assignment(_CLASSES),
    ]
    for setting in _SETTINGS:
        lines += ["", *_comment(setting.why)]
        if setting.since:
            lines += _comment(f"PostgreSQL {setting.since // 10000} and later only: take the # away there.")
        lines.append(("# " if setting.since else "") + _assignment(setting))
    lines += [
        "",
        *_comment(
            "Only where the log must stay text (log_destination = 'stderr'): the same fields, the two that a client "
            "chooses freely last."
        ),
        f"# log_line_prefix = '{_STDERR_PREFIX}'",
    ]
    return "\n".join(lines) + "\n"


def _assignment(setting: _Setting) -> str:
    return f"{setting.name} = '{setting.value}'"


def _alter_system() -> str:
    return render(
        "pgaudit_settings.sql.j2",
        preload_why=remark(_PRELOAD.why),
        classes_why=remark(_CLASSES.why),
        classes=sql.Literal(_CLASSES.value),
        settings=[
            {
                "name": sql.SQL(setting.name),
                "value": sql.Literal(setting.value),
                "why": [remark(line) for line in textwrap.wrap(setting.why, _WIDTH)],
                "since": sql.Literal(setting.since) if setting.since else None,
                "unknown_yet": setting.of_pgaudit,
            }
            for setting in _SETTINGS
        ],
    )


def _parameter_group() -> str:
    lines = [
        "#!/bin/sh",
        "# Parameters of an RDS parameter group, for pgaudit and the log that evidence is read from. Run it with the",
        "# name of the group, reboot the instance, then run pgaudit.sql in the database that the map describes.",
        "set -eu",
        'group=${1:?"usage: pgaudit_parameters.sh PARAMETER_GROUP"}',
        "",
        "set_parameter() {",
        r'    parameter="{\"ParameterName\": \"$1\", \"ParameterValue\": \"$2\", \"ApplyMethod\": \"pending-reboot\"}"',
        '    aws rds modify-db-parameter-group --db-parameter-group-name "$group" --parameters "[$parameter]"',
        "}",
    ]
    for setting in (_PRELOAD, _CLASSES, *_SETTINGS, _RETENTION):
        if setting.rds is not None:
            lines += ["", *_comment(setting.why), *_parameter(setting)]
    return "\n".join(lines) + "\n"


def _parameter(setting: _Setting) -> Iterator[str]:
    prefix = ""
    if setting is _PRELOAD or setting is _CLASSES:
        yield "# It replaces the group's list: add what is there already."
    if setting.since:
        yield f"# PostgreSQL {setting.since // 10000} and later only: take the # away there."
        prefix = "# "
    yield f"{prefix}set_parameter {setting.name} {shlex.quote(setting.rds or '')}"


def _comment(words: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(words, _WIDTH)]
