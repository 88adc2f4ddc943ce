"""A protected table looked at by itself: every way to read and to write it, as one role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from psycopg import sql

from rlsguard.catalog.model import Catalog
from rlsguard.names import QualifiedName
from rlsguard.people import RowId
from rlsguard.prove.acting import Acting
from rlsguard.prove.attempt import T, attempted, because
from rlsguard.prove.expect import OptOuts
from rlsguard.prove.lens import Lens, table_lens
from rlsguard.prove.model import PLAIN, Observation, Verdict
from rlsguard.prove.reads import BY_PLACE, COPY, PREPARED_BEFORE, READS, deallocate, execute, prepare, select
from rlsguard.prove.roles import Prober, Rights
from rlsguard.prove.scenario import Case, Scenario, also, expected, opted_out
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target
from rlsguard.prove.writes import MOVE, WRITES, attempt, copies, move


@dataclass(frozen=True)
class Direct:
    """One role before one table.

    Attributes:
        purposes: all that people can opt out of.
    """

    session: Session
    catalog: Catalog
    case: Case
    prober: Prober
    purposes: frozenset[str]

    @property
    def target(self) -> Target:
        """The table."""
        return self.case.target

    @property
    def opt_outs(self) -> OptOuts:
        """Those in force before the proof."""
        return self.case.opt_outs

    def observe(self) -> Iterator[Observation]:
        """Yield what the role sees before, during and after opt-outs, by every path."""
        rights = self.prober.right(self.target.table.oid)
        if not rights.reads:
            yield self._seen(PLAIN, "closed", 0, "it may not read the table")
            return
        lens = table_lens(self.target, rights)
        if lens is None:
            # A path of its own: of what the role reads there is nothing that anything could be told by.
            yield self._not_tried("single columns", "it may read some columns, but none that tell rows apart")
            return
        if not self.target.rows:
            yield self._seen(PLAIN, "empty", 0, "the table has no rows")
            return
        before = self._try(lambda acting: select(acting, lens, self.target.rows))
        if isinstance(before, str):
            yield self._not_tried(PLAIN, before)
            return
        should = self._own(expected(self.target, self.prober.held.purposes, self.opt_outs), before)
        yield from self._faults(before, should)
        if not should:
            yield self._seen(PLAIN, "empty", 0, "it sees none of the rows that were looked at")
            return
        if not self.case.scenarios:
            yield self._seen(PLAIN, "empty", 0, "no row leads to anyone who has not opted out")
        for scenario in self.case.scenarios:
            yield from self._scenario(lens, rights, before, scenario)
        after = self._try(lambda acting: select(acting, lens, self.target.rows))
        if isinstance(after, str):
            yield self._not_tried(PLAIN, after)
        else:
            yield from self._faults(after, before)

    def _faults(self, seen: frozenset[RowId], should: frozenset[RowId]) -> Iterator[Observation]:
        """Yield what is wrong while nobody is opted out for the proof: that all is well then proves nothing."""
        found = self._compare(PLAIN, seen, should, self.target.rows, self.opt_outs)
        if found.verdict != "passed":
            yield found

    def _own(self, should: frozenset[RowId], before: frozenset[RowId]) -> frozenset[RowId]:
        """Return what of *should* to expect: policies of the table's own may hide more, for reasons of their own."""
        return should & before if self.target.own_policies else should

    def _scenario(
        self, lens: Lens, rights: Rights, before: frozenset[RowId], scenario: Scenario
    ) -> Iterator[Observation]:
        held = sorted(self.prober.held.purposes)
        free = sorted(self.purposes - self.prober.held.purposes)
        # All paths with one purpose; by the others nothing differs but which rows of the state match.
        yield from self._all_paths(lens, rights, before, scenario, held[:1] or free)
        for purpose in held[1:]:
            yield from self._select_only(lens, before, scenario, [purpose])
        if held and free:
            yield from self._select_only(lens, before, scenario, free)

    def _select_only(
        self, lens: Lens, before: frozenset[RowId], scenario: Scenario, purposes: list[str]
    ) -> Iterator[Observation]:
        opt_outs = also(self.opt_outs, scenario.people, purposes)
        should = self._own(expected(self.target, self.prober.held.purposes, opt_outs), before)
        with opted_out(self.session, scenario.people, purposes) as in_the_way:
            if in_the_way is not None:
                yield self._not_tried(PLAIN, in_the_way)
                return
            yield self._read(PLAIN, lambda acting: select(acting, lens, self.target.rows), should, opt_outs)

    def _all_paths(
        self, lens: Lens, rights: Rights, before: frozenset[RowId], scenario: Scenario, purposes: list[str]
    ) -> Iterator[Observation]:
        rows = self.target.rows
        opt_outs = also(self.opt_outs, scenario.people, purposes)
        should = self._own(expected(self.target, self.prober.held.purposes, opt_outs), before)
        prepared = self._try(lambda acting: prepare(acting, lens, rows))
        try:
            with opted_out(self.session, scenario.people, purposes) as in_the_way:
                if in_the_way is not None:
                    yield from (self._not_tried(path, in_the_way) for path in (*READS, PREPARED_BEFORE, *WRITES))
                    return
                for path, read in READS.items():
                    reason = self._cannot(path, lens)
                    some = self.target.in_sample if path == "TABLESAMPLE" else rows
                    if path == "FOR UPDATE" and not rights.update:
                        yield self._seen(path, "closed", 0, "it may not lock rows")
                    elif reason is not None:
                        yield self._not_tried(path, reason)
                    else:
                        yield self._read(path, lambda acting: read(acting, lens, some), should & some, opt_outs, some)  # noqa: B023
                if isinstance(prepared, str):
                    yield self._not_tried(PREPARED_BEFORE, prepared)
                else:
                    yield self._read(PREPARED_BEFORE, lambda acting: execute(acting, lens, rows), should, opt_outs)
                yield from self._relatives(should, opt_outs)
                yield from self._writes(lens, rights, before, should, opt_outs)
            if not isinstance(prepared, str):
                yield self._read(PREPARED_BEFORE, lambda acting: execute(acting, lens, rows), before, self.opt_outs)
        finally:
            deallocate(self.session.conn)

    def _cannot(self, path: str, lens: Lens) -> str | None:
        if path in BY_PLACE and not lens.by_place:
            return "it may read single columns only"
        if path == "TABLESAMPLE" and self.target.sampled is None:
            return "the table's pages cannot be sampled"
        if path == COPY and self.session.contains and self.target.users_code is not None:
            return f"{self.target.users_code} may run code of users', and COPY would lend it the login's power"
        return None

    def _relatives(self, should: frozenset[RowId], opt_outs: OptOuts) -> Iterator[Observation]:
        """Read the same rows by way of the partitions that they are in, and of what the table is a partition of."""
        table = self.target.table
        oids = {row.table for row in self.target.rows} - {table.oid}
        names = {one.oid: one.name for one in self.catalog.tables.values()}
        ways = [(f"partition {names[oid]}", names[oid], oid) for oid in sorted(oids)]
        ways += [
            (f"parent {name}", name, self.catalog.tables[name].oid)
            for name in sorted(self.catalog.lineage(table) - {table.name})
        ]
        for path, name, oid in ways:
            rights = self.prober.right(oid)
            lens = table_lens(self.target, rights, name) if rights.reads else None
            if lens is None:
                continue
            is_parent = path.startswith("parent")
            rows = self.target.rows if is_parent else frozenset(r for r in self.target.rows if r.table == oid)
            yield self._read(path, lambda acting: select(acting, lens, rows), should & rows, opt_outs, rows)  # noqa: B023

    def _writes(
        self, lens: Lens, rights: Rights, before: frozenset[RowId], should: frozenset[RowId], opt_outs: OptOuts
    ) -> Iterator[Observation]:
        """Try to write one row that must be out of reach, and one that must not."""
        gone, there = sorted(before - should), sorted(should)
        tries = [(row, False) for row in gone[:1]] + [(row, True) for row in there[:1]]
        if not tries:
            return
        if self.target.loud or (self.target.noisy and not self.session.may_silence):
            who = "nobody" if self.target.loud else "only a superuser"
            reason = f"the table has triggers or rules of its own, which {who} can silence"
            yield from (self._not_tried(path, reason) for path in WRITES)
            return
        texts = self._texts([row for row, _ in tries])
        for path, write in WRITES.items():
            if not write.fits(lens, rights):
                yield self._seen(path, "closed", 0, "it may not write the table in this way")
                continue
            for row, may in tries:
                yield self._write(path, write.statement(lens, rights, row, texts[row]), row, may, opt_outs)
        yield from self._move(lens, rights, gone[:1], there[:1], texts, opt_outs)

    def _texts(self, rows: Collection[RowId]) -> Mapping[RowId, sql.Composable]:
        """Return whole rows as literals: *rows*, and those that were read before, as another role too."""
        texts = self.case.texts
        if not texts.keys() >= set(rows):
            for oid, place, text in self.session.read(copies(self.target, rows)):
                texts[RowId(int(oid), place)] = sql.SQL("{}::{}").format(sql.Literal(text), self.target.table.name.sql)
        return texts

    def _move(
        self,
        lens: Lens,
        rights: Rights,
        gone: list[RowId],
        there: list[RowId],
        texts: Mapping[RowId, sql.Composable],
        opt_outs: OptOuts,
    ) -> Iterator[Observation]:
        """Try to give a row that the role sees to people whose rows it must not see."""
        if not gone or not there or len(self.target.lookups) != 1:
            return
        columns = self.target.lookups[0].route.here_columns
        if not rights.update.issuperset(columns):
            yield self._seen(MOVE, "closed", 0, "it may not write the columns that lead to people")
            return
        yield self._write(MOVE, move(lens, there[0], columns, texts[gone[0]]), there[0], False, opt_outs)

    def _write(
        self,
        path: str,
        statement: sql.Composed,
        row: RowId,
        may: bool,
        opt_outs: OptOuts,
    ) -> Observation:
        outcome = self._try(lambda acting: attempt(acting, statement), silent=True)
        name = self.target.named([row])
        if outcome not in ("no row", "refused", "through"):
            return self._not_tried(path, outcome)
        if outcome == "through" and not may:
            return self._seen(path, "leaked", 1, f"writes {name}, {self._because([row], opt_outs)}")
        if outcome != "through" and may and not self.target.own_policies:
            return self._seen(path, "over-blocked", 1, f"cannot write {name}: {outcome}")
        return self._seen(path, "passed", 1, "")

    def _read(
        self,
        path: str,
        read: Callable[[Acting], frozenset[RowId]],
        should: frozenset[RowId],
        opt_outs: OptOuts,
        rows: frozenset[RowId] | None = None,
    ) -> Observation:
        seen = self._try(read)
        if isinstance(seen, str):
            return self._not_tried(path, seen)
        return self._compare(path, seen, should, self.target.rows if rows is None else rows, opt_outs)

    def _compare(
        self,
        path: str,
        seen: frozenset[RowId],
        should: frozenset[RowId],
        rows: frozenset[RowId],
        opt_outs: OptOuts,
    ) -> Observation:
        leaked, missing = (seen & rows) - should, (should & rows) - seen
        if leaked:
            detail = f"shows {self.target.named(leaked)}, {self._because(leaked, opt_outs)}"
            return self._seen(path, "leaked", len(rows), detail)
        # Policies of the table's own for UPDATE hold FOR UPDATE too, and may hide more, for reasons of their own.
        if missing and not (path == "FOR UPDATE" and self.target.own_policies):
            return self._seen(path, "over-blocked", len(rows), f"hides {self.target.named(missing)} without an opt-out")
        return self._seen(path, "passed", len(rows), "")

    def _because(self, rows: Collection[RowId], opt_outs: OptOuts) -> str:
        return because(self.target, rows, self.prober.held.purposes, opt_outs)

    def _seen(self, path: str, verdict: Verdict, rows: int, detail: str) -> Observation:
        return Observation(self.target.table.name, self.prober.name, path, verdict, rows, detail)

    def _not_tried(self, path: str, reason: str) -> Observation:
        return self._seen(path, "not tried", 0, reason)

    def _try(self, act: Callable[[Acting], T], *, silent: bool = False) -> T | str:
        return attempted(self.session, self.prober.name, act, silent=silent)


def relatives(catalog: Catalog, name: QualifiedName) -> Mapping[QualifiedName, int]:
    """Return what *name* is a partition of, and all that is a partition of it, with their OIDs."""
    table = catalog.tables[name]
    found = {one.name: one.oid for one in catalog.descendants(table)}
    return found | {one: catalog.tables[one].oid for one in catalog.lineage(table) - {name}}
