"""A proof for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.table import Table
from rich.text import Text

from rlsguard.names import quote
from rlsguard.prove.model import Proof
from rlsguard.prove.report.summary import Counts, count, failures, paths, roles, tables, untried

Line = str | Table | Text

# What a terminal's reader can take in of one kind; the other formats have all.
_MOST = 20


def text(proof: Proof, *, safe: Callable[[str], str]) -> Iterable[Line]:
    """Yield the report line by line; *safe* makes visible what a terminal could obey."""
    yield _matrix(proof, safe)
    yield _by_path(proof, safe)
    for failure in failures(proof)[:_MOST]:
        word = "LEAK" if failure.verdict == "leaked" else "OVER-BLOCKED"
        who = ", ".join(map(quote, failure.roles))
        yield _marked(word, safe(f"{failure.table}, {failure.path}, as {who}: {failure.detail}"))
    if len(failures(proof)) > _MOST:
        yield f"... and {len(failures(proof)) - _MOST} more; --format json has all"
    for way in proof.ways_around:
        which = f" of {', '.join(map(str, way.tables))}" if way.tables else ""
        whose = f", for {', '.join(map(quote, way.roles))}" if way.roles else ""
        yield _marked("LEAK", safe(f"{way.about}{which}{whose}: {way.why}"))
        for line in way.mend.splitlines():
            yield safe(f"        > {line}")
    yield ""
    for one in untried(proof)[:_MOST]:
        cell = one.example
        yield safe(
            f"not tried: {one.cells} times, such as {cell.table}, {cell.path}, as {quote(cell.role)}: {one.reason}"
        )
    for assumption in proof.assumptions:
        yield safe(f"assumed, not proven: {assumption.about}: {assumption.text}")
    yield ""
    yield _verdict(proof)


def _marked(word: str, rest: str) -> Text:
    return Text(word, style="bold red").append(f"  {rest}", style="default")


def _matrix(proof: Proof, safe: Callable[[str], str]) -> Table:
    grid = Table("table", *(safe(role) for role in roles(proof)), box=None, padding=(0, 2, 0, 0), header_style="bold")
    for table in tables(proof):
        cells = [
            _cell(count(c for (t, r, _), c in proof.cells.items() if (t, r) == (table, role))) for role in roles(proof)
        ]
        grid.add_row(safe(str(table)), *cells)
    return grid


def _cell(counts: Counts) -> Text:
    if counts["leaked"]:
        return Text(f"{counts['leaked']} LEAKED", style="bold red")
    if counts["over-blocked"]:
        return Text(f"{counts['over-blocked']} over-blocked", style="bold red")
    if counts["passed"]:
        return Text(f"{counts['passed']} passed", style="green")
    return Text("not tried" if counts["not tried"] else "-", style="yellow" if counts["not tried"] else "dim")


def _by_path(proof: Proof, safe: Callable[[str], str]) -> Table:
    grid = Table(
        "\npath", "\npassed", "\nno right", "\nno rows", "\nnot tried", "\nover-blocked", "\nleaked",
        box=None, padding=(0, 2, 0, 0), header_style="bold",
    )  # fmt: skip
    for path in paths(proof):
        counts = count(cell for (_, _, p), cell in proof.cells.items() if p == path)
        grid.add_row(
            safe(path),
            *(str(counts[verdict] or "") for verdict in ("passed", "closed", "empty", "not tried")),
            *(Text(str(counts[verdict] or ""), style="bold red") for verdict in ("over-blocked", "leaked")),
        )
    return grid


def _verdict(proof: Proof) -> Text:
    counts = count(proof.cells.values())
    around = len(proof.ways_around)
    words = (
        f"{len(proof.cells):,} combinations of table, role and path: {counts['passed']:,} passed,"
        f" {counts['closed']:,} closed to the role, {counts['empty']:,} without rows,"
        f" {counts['not tried']:,} not tried, {counts['over-blocked']:,} over-blocked, {counts['leaked']:,} leaked;"
        f" {around:,} {'way' if around == 1 else 'ways'} around; {proof.seconds:.1f} s"
    )
    return Text(words, style="bold green" if proof.right else "bold red")
