"""A protected table looked at through something else: a view, a materialised view, a function."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rlsguard.people import RowId
from rlsguard.prove.attempt import attempted, because
from rlsguard.prove.expect import OptOuts
from rlsguard.prove.lens import Lens
from rlsguard.prove.model import Observation, Verdict
from rlsguard.prove.reads import select
from rlsguard.prove.roles import Prober
from rlsguard.prove.scenario import Case, also, expected, opted_out
from rlsguard.prove.session import Session
from rlsguard.prove.ways import Way


@dataclass(frozen=True)
class Through:
    """One role before one window on a table.

    Attributes:
        lens: how the window tells the table's rows apart.
        purposes: all that people can opt out of.
    """

    session: Session
    way: Way
    lens: Lens
    case: Case
    prober: Prober
    purposes: frozenset[str]

    def observe(self) -> Iterator[Observation]:
        """Yield whether what is to be hidden is hidden here too, and nothing else because of it."""
        before = self._look()
        if isinstance(before, str):
            yield self._seen("not tried", 0, before)
            return
        held = self.prober.held.purposes
        hidden = self.lens.target.rows - expected(self.lens.target, held, self.case.opt_outs)
        if before & hidden:
            yield self._leak(before & hidden, self.case.opt_outs)
        told = False
        for scenario in self.case.scenarios:
            purposes = sorted(held or self.purposes)[:1]
            opt_outs = also(self.case.opt_outs, scenario.people, purposes)
            hidden = self.lens.target.rows - expected(self.lens.target, held, opt_outs)
            if not before & hidden and (held or not before):
                continue
            told = True
            with opted_out(self.session, scenario.people, purposes) as in_the_way:
                during = in_the_way or self._look()
            yield self._compare(before, during, hidden, opt_outs)
        if not told:
            yield self._seen("not tried", 0, "it shows none of the rows that were looked at")
        else:
            yield self._compare(before, self._look(), frozenset(), self.case.opt_outs)

    def _look(self) -> frozenset[RowId] | str:
        rows = self.lens.target.rows
        return attempted(self.session, self.prober.name, lambda acting: select(acting, self.lens, rows))

    def _compare(
        self, before: frozenset[RowId], during: frozenset[RowId] | str, hidden: frozenset[RowId], opt_outs: OptOuts
    ) -> Observation:
        if isinstance(during, str):
            return self._seen("not tried", 0, during)
        if during & hidden:
            return self._leak(during & hidden, opt_outs)
        # Elsewhere a row can be missing for another row's sake, or for the owner's of a definer's function.
        if self.way.row_by_row and (missing := before - hidden - during):
            named = self.lens.target.named(missing)
            return self._seen("over-blocked", len(before), f"hides {named} without an opt-out")
        return self._seen("passed", len(before), "")

    def _leak(self, rows: Collection[RowId], opt_outs: OptOuts) -> Observation:
        why = because(self.lens.target, rows, self.prober.held.purposes, opt_outs)
        return self._seen("leaked", len(rows), f"shows {self.lens.target.named(rows)}, {why}")

    def _seen(self, verdict: Verdict, rows: int, detail: str) -> Observation:
        return Observation(self.lens.target.table.name, self.prober.name, self.way.path, verdict, rows, detail)
