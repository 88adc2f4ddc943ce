"""Files -> findings."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.waivers import apart, refuse_unknown
from rlsguard.datamap.model import DataMap
from rlsguard.lint.bodies import inside
from rlsguard.lint.claimed import Claimed
from rlsguard.lint.files import scripts
from rlsguard.lint.model import UNKNOWN, Linted, Script, Skipped, Statement, Unreadable
from rlsguard.lint.parser import in_depth
from rlsguard.lint.rules import RULES, Found
from rlsguard.lint.state import State
from rlsguard.lint.tree import function_path
from rlsguard.problems import Position


def lint(
    paths: Iterable[Path],
    datamap: DataMap | None,
    *,
    search_path: Sequence[str] = ("public",),
    skip_generated: bool = False,
) -> Linted:
    """Read the migrations in *paths*, files and folders in the order of their running.

    Args:
        datamap: without it only what is said of the guard itself, of roles and the like is known to matter.
        search_path: where names without a schema are looked for, until a migration sets it.
        skip_generated: whether to skip, and name, what says of itself that rlsguard wrote it.

    Raises:
        MapError: a waiver is for a finding that there is none of.
        SqlError: a file cannot be read.
        RlsguardError: there is no such file.
    """
    if datamap is not None:
        refuse_unknown(datamap)
    given = list(paths)
    return in_depth(lambda: _lint(given, datamap, search_path, skip_generated))


def _lint(paths: list[Path], datamap: DataMap | None, search_path: Sequence[str], skip_generated: bool) -> Linted:
    started, clock = datetime.now(UTC), time.monotonic()
    read = scripts(paths)
    run = _Run(State(datamap, search_path), skip_generated)
    for script in read:
        run.script(script)
    findings = _by_place(run.state.findings, read)
    left, waived = apart(findings, datamap, started.date()) if datamap is not None else (findings, [])
    return Linted(
        files=len(read),
        statements=run.statements,
        started_at=started,
        seconds=time.monotonic() - clock,
        findings=tuple(left),
        waived=tuple(waived),
        skipped=tuple(run.skipped),
    )


def _by_place(findings: list[Finding], read: list[Script]) -> list[Finding]:
    order = {script.file: number for number, script in enumerate(read)}

    def place(finding: Finding) -> tuple[int, int, int, str, str]:
        assert finding.position is not None  # what is found here has one
        position = finding.position
        return order[position.file], position.line, position.column, finding.kind.id, finding.about

    return sorted(findings, key=place)


class _Run:
    """One pass over all statements."""

    def __init__(self, state: State, skip_claimed: bool) -> None:
        self.state = state
        self.statements = 0
        self.skipped: list[Skipped] = []
        self._skip_claimed = skip_claimed
        self._seen: set[tuple[str, str, object]] = set()
        self._claimed = Claimed()

    def script(self, script: Script) -> None:
        """Ask each statement of *script*; one that is skipped is only taken over."""
        self.state.begin(script)
        self._claimed = Claimed()
        for statement in script.statements:
            self._statement(statement, script, statement.claimed)
        for one in script.unreadable:
            self._unreadable(one, script, one.claimed)
        if self._skip_claimed and script.claim is not None:
            many = sum(statement.claimed for statement in script.statements)
            self.skipped.append(Skipped(script.claimed_at, many, script.claim.whole))
            return
        for found, statement in self._claimed.gone():
            self._add(found, statement, script, claimed=False)
        found_together = self._claimed.together(script)
        if found_together is not None:
            self._tell(found_together, script.claimed_at, script)

    def _statement(self, statement: Statement, script: Script, claimed: bool) -> None:
        self.statements += 1
        state = self.state
        parts, unreadable = inside(statement)
        state.body = tuple(one.tree for one in parts if one.called)
        if not (claimed and self._skip_claimed):
            for rule in RULES:
                for found in rule(statement.tree, state):
                    self._add(found, statement, script, claimed=claimed)
            for one in unreadable:
                self._unreadable(one, script, claimed)
        path = function_path(statement.tree)
        with nullcontext() if path is None else state.within(path):
            for part in parts:
                self._statement(part, script, claimed)
        if not statement.called:
            state.body = tuple(one.tree for one in parts if one.called)
            state.apply(statement.tree)

    def _add(self, found: Found, statement: Statement, script: Script, *, claimed: bool) -> None:
        if claimed and found.own:
            self._claimed.add(found, statement)
        else:
            self._tell(found, statement.position, script)

    def _unreadable(self, one: Unreadable, script: Script, claimed: bool) -> None:
        if claimed:
            self._claimed.unread += not self._skip_claimed
            return
        why = f"{one.why}: whether it weakens the guard cannot be told before it is run."
        mend = "Read it yourself; rlsguard check MAP tells afterwards."
        self._tell(Found(kinds.NOT_READ, one.about, why, mend), one.position, script)

    def _tell(self, found: Found, place: Position, script: Script) -> None:
        key = (found.kind.id, found.about, place)
        if key not in self._seen:
            self._seen.add(key)
            about, why, mend = map(_shown, (f"{found.about} in {script.name}", found.why, found.mend))
            finding = Finding(found.kind, about, why, mend, tables=found.tables, roles=found.roles, position=place)
            self.state.add(finding, found.ending)


def _shown(words: str) -> str:
    """Return *words* with a question mark for what is known only as it runs."""
    return words.replace(f'"{UNKNOWN}"', "?").replace(UNKNOWN, "?")
