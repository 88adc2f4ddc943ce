"""What an audit adds to updates: of one row at a time by several clients, by one session, and of many at once."""

from __future__ import annotations

import math
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.ledger.audits import AUDITS, FOLDER, NONE, Audit
from bench.ledger.scene import ROWS, Scene
from bench.measure import take_turns, timed

_ONE_BY_ONE = "CALL bank.update_one_by_one({})"
_AT_ONCE = "UPDATE bank.trans SET amount = amount + 1 WHERE trans_id <= {}"


@dataclass(frozen=True)
class Updating:
    """Seconds from one update to the next, by audit.

    Attributes:
        busy: how many can be at work at a time: as many as clients, or as processors if these are fewer.
    """

    what: str
    busy: int
    seconds: dict[Audit, float]

    def added(self, audit: Audit) -> float:
        """Return the seconds of work that *audit* adds to an update."""
        return self.busy * (self.seconds[audit] - self.seconds[NONE])


def by_clients(
    scene: Scene, pgbench: Path, clients: Sequence[int], seconds: int, rounds: int, say: Callable[[str], None]
) -> Iterator[Updating]:
    """Measure with pgbench what clients update, row by row, for each number of *clients*.

    Twice: by the clock, and by the processor time of the server's processes, which no other load slows down much.
    """
    for number in clients:
        what = f"pgbench, {number} client{'s' if number > 1 else ''}"
        say(f"PostgreSQL {scene.major}: updates, {what}")
        processor = dict.fromkeys(AUDITS, math.inf)
        work = {audit: partial(_pgbench, scene, audit, pgbench, number, seconds, processor) for audit in AUDITS}
        # What is returned is of one update, so no round is long enough.
        taken = take_turns(work, runs=rounds, enough=math.inf)
        yield Updating(what, min(number, os.cpu_count() or 1), taken)
        yield Updating("the same, by processor time", 1, processor)


def by_one(scene: Scene, say: Callable[[str], None]) -> Iterator[Updating]:
    """Measure updates without a client between them: steadier than pgbench."""
    for what, text, rows in (("commits in a procedure", _ONE_BY_ONE, 5_000), ("rows in a statement", _AT_ONCE, 20_000)):
        say(f"PostgreSQL {scene.major}: {rows:,} {what}")
        taken = take_turns({audit: partial(_in_session, scene, audit, text, rows) for audit in AUDITS})
        yield Updating(f"{rows:,} {what}", 1, {audit: seconds / rows for audit, seconds in taken.items()})


def _in_session(scene: Scene, audit: Audit, text: str, rows: int) -> float:
    with scene.copy(audit) as name, scene.connect(name) as conn:
        # What only a new session does.
        conn.execute(text.format(100).encode())
        return timed(lambda: conn.execute(text.format(rows).encode()))


def _pgbench(
    scene: Scene, audit: Audit, pgbench: Path, clients: int, seconds: int, processor: dict[Audit, float]
) -> float:
    """Return the seconds from one update to the next; put the least processor time of one into *processor*."""
    command = [str(pgbench), "--no-vacuum", "--protocol=prepared", f"--file={FOLDER / 'update.pgbench'}"]
    command += [f"--jobs={min(clients, os.cpu_count() or 1)}", f"--define=rows={ROWS}", "--random-seed=1"]
    command += [f"--client={clients}", f"--time={seconds}"]
    with scene.copy(audit) as name:
        before = scene.processor_seconds()
        answer = subprocess.run([*command, scene.server.dsn(name, "writer")], capture_output=True, text=True)
        taken = scene.processor_seconds() - before
    tps = re.search(r"^tps = ([\d.]+)", answer.stdout, re.MULTILINE)
    updates = re.search(r"^number of transactions actually processed: (\d+)", answer.stdout, re.MULTILINE)
    if answer.returncode or tps is None or updates is None:
        raise RuntimeError(f"pgbench failed: {answer.stderr.strip()[-500:]}")
    processor[audit] = min(processor[audit], taken / int(updates[1]))
    return 1 / float(tps[1])
