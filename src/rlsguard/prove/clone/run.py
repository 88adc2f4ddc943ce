"""The run on a copy: everything that a live proof does, and then opt-outs recorded and committed before real logins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.connection import explain, place_of
from rlsguard.datamap.model import DataMap
from rlsguard.people import Person, RowId
from rlsguard.problems import RlsguardError
from rlsguard.prove.around import search
from rlsguard.prove.attempt import because
from rlsguard.prove.clone.database import copy_of
from rlsguard.prove.clone.logins import Login, RefusedError, log_in, told
from rlsguard.prove.expect import OptOuts
from rlsguard.prove.lens import table_lens
from rlsguard.prove.live import Progress, observe
from rlsguard.prove.model import Assumption, Observation, Proof, Verdict, WayAround
from rlsguard.prove.roles import Prober
from rlsguard.prove.scenario import Case, also, expected
from rlsguard.prove.scene import Scene
from rlsguard.prove.session import begin
from rlsguard.prove.survey import cases, survey
from rlsguard.server import Server


def prove_on_copy(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    *,
    max_rows: int = 200,
    statement_timeout: float = 10.0,
    bindir: Path | None = None,
    progress: Progress = lambda done, total, what: None,
) -> Proof:
    """Prove *datamap* on a copy of the database of *conn*: its schema, its roles and a sample of its rows.

    Ways around are looked for in the database itself, which is only read.

    Args:
        max_rows: how many rows of each table to copy.
        statement_timeout: seconds that any one statement may take.
        bindir: where the programs of the PostgreSQL to run the copy on are, if not the best that this machine has.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the copy cannot be made.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        with begin(conn, statement_timeout=statement_timeout) as session, ExitStack() as stack:
            scene = survey(session, datamap)
            found = tuple(search(scene))
            progress(0, 1, "copying schema, roles and a sample of rows")
            server, database = stack.enter_context(copy_of(scene, tuple(cases(scene, max_rows=max_rows)), bindir))
            observations, people = _prove_copy(server, database, datamap, statement_timeout, progress)
            return Proof(
                database=place_of(conn),
                server=f"{conn.info.parameter_status('server_version')}, copied to {server.version}",
                mode="clone",
                started_at=started,
                seconds=time.monotonic() - clock,
                opted_out=len(people),
                observations=tuple(observations),
                ways_around=tuple(dict.fromkeys(one for one in found if isinstance(one, WayAround))),
                assumptions=tuple(dict.fromkeys(one for one in found if isinstance(one, Assumption))),
            )
    except psycopg.Error as error:
        raise RlsguardError(f"the proof could not be finished, and nothing was changed: {explain(error)}") from error


def _prove_copy(
    server: Server, database: str, datamap: DataMap, statement_timeout: float, progress: Progress
) -> tuple[list[Observation], frozenset[Person]]:
    observations: list[Observation] = []
    people: set[Person] = set()
    with psycopg.connect(server.dsn(database), autocommit=True) as desk:
        with begin(desk, statement_timeout=statement_timeout) as session:
            scene = survey(session, datamap)
            # The copy is the sample: all of it is looked at.
            for seen, opted_out in observe(scene, max_rows=100_000, progress=progress):
                observations += seen
                people |= opted_out
            all_cases = tuple(cases(scene, max_rows=100_000))
        for number, case in enumerate(all_cases):
            progress(number, len(all_cases), f"{case.target.table.name}, by real logins")
            observations += _Desk(server, database, scene, desk, case).observe()
    return observations, frozenset(people)


@dataclass(frozen=True)
class _Desk:
    """Where opt-outs about one table's people are recorded, by `conn`, and what that does to everybody's view of it."""

    server: Server
    database: str
    scene: Scene
    conn: psycopg.Connection[Any]
    case: Case

    def observe(self) -> Iterator[Observation]:
        """Record and commit opt-outs of each purpose in turn, look as everybody, and take them back."""
        people = self.case.scenarios[0].people if self.case.scenarios else ()
        with ExitStack() as stack:
            logins: list[tuple[Prober, Login]] = []
            for prober in self.scene.probers:
                login = self._log_in(prober, stack)
                if isinstance(login, Login):
                    logins.append((prober, login))
                else:
                    yield login
            listener = stack.enter_context(psycopg.connect(self.server.dsn(self.database), autocommit=True))
            listener.execute("LISTEN rlsguard_opt_out")
            before = self.case.opt_outs
            for purpose in sorted(self.scene.purposes) if people else ():
                during = also(before, people, [purpose])
                self._record("opt_out", people, purpose)
                for prober, login in logins:
                    held = sorted(prober.held.purposes)
                    yield from self._look(prober, login, during, slow=held[:1] in ([], [purpose]))
                self._record("opt_in", people, purpose)
                for prober, login in logins:
                    yield from self._look(prober, login, before, slow=False)
            yield from self._heard(listener)

    def _log_in(self, prober: Prober, stack: ExitStack) -> Login | Observation:
        target = self.case.target
        rights = prober.right(target.table.oid)
        if not rights.reads:
            return self._seen(prober, "new connection", "closed", detail="it may not read the table")
        lens = table_lens(target, rights)
        if lens is None:
            return self._seen(prober, "new connection", "not tried", detail="it may read none that tell rows apart")
        try:
            return log_in(self.server, self.database, prober.name, lens, stack)
        except psycopg.Error as error:
            return self._seen(prober, "new connection", "not tried", detail=explain(error))

    def _record(self, action: str, people: tuple[Person, ...], purpose: str) -> None:
        for person in people:
            call = sql.SQL("SELECT FROM rlsguard.{}({}, {}, ARRAY[{}], 'rlsguard prove', 'proof on a copy')")
            words = map(sql.Literal, (person.kind, person.key, purpose))
            self.conn.execute(call.format(sql.Identifier(action), *words))

    def _look(self, prober: Prober, login: Login, opt_outs: OptOuts, *, slow: bool) -> Iterator[Observation]:
        target = self.case.target
        should = expected(target, prober.held.purposes, opt_outs)
        paths = [*login.quick(), *(login.slow() if slow else ())]
        for path, read in paths:
            yield self._compare(prober, path, read, should, opt_outs)

    def _compare(
        self,
        prober: Prober,
        path: str,
        read: Callable[[], frozenset[RowId]],
        should: frozenset[RowId],
        opt_outs: OptOuts,
    ) -> Observation:
        target = self.case.target
        try:
            seen = read()
        except RefusedError as refusal:
            # Nothing came out: for what is to be hidden that is as good. It counts as closed, and says why.
            return self._seen(prober, path, "closed", detail=str(refusal).splitlines()[0])
        except psycopg.Error as error:
            return self._seen(prober, path, "not tried", detail=explain(error))
        if leaked := seen - should:
            why = because(target, leaked, prober.held.purposes, opt_outs)
            return self._seen(prober, path, "leaked", len(target.rows), f"shows {target.named(leaked)}, {why}")
        if (missing := should - seen) and not target.own_policies:
            detail = f"hides {target.named(missing)} without an opt-out"
            return self._seen(prober, path, "over-blocked", len(target.rows), detail)
        return self._seen(prober, path, "passed", len(target.rows))

    def _heard(self, listener: psycopg.Connection[Any]) -> Iterator[Observation]:
        """Judge what anybody hears who listens while opt-outs are recorded."""
        payloads = [notice.payload for notice in listener.notifies(timeout=0.2)]
        wrong = [payload for payload in payloads if told(payload)]
        verdict: Verdict = "leaked" if wrong else "passed" if payloads else "not tried"
        for prober in self.scene.probers:
            detail = f"says {wrong[0]}" if wrong else "" if payloads else "nothing was to be heard"
            yield self._seen(prober, "LISTEN", verdict, len(payloads), detail)

    def _seen(self, prober: Prober, path: str, verdict: Verdict, rows: int = 0, detail: str = "") -> Observation:
        return Observation(self.case.target.table.name, prober.name, path, verdict, rows, detail)
