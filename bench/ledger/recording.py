"""How fast opt-outs are recorded: one at a time, and in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.ledger.audits import RLSGUARD
from bench.ledger.scene import Scene
from bench.measure import take_turns, timed
from bench.variants import Connection

_SINGLE = 1_000
_ONE = "SELECT FROM rlsguard.opt_out('person', %s, '{marketing}', 'bench', 'phone call')"
_BATCH = """
SELECT rlsguard.record_batch(
    'opt_out', 'person', array_agg(i::text), array_agg('marketing'::text), array_agg('bench'::text),
    array_agg('phone call'::text), array_agg('{}'::jsonb), array_agg(NULL::timestamptz)
)
FROM generate_series(1, %s) AS i
"""


@dataclass(frozen=True)
class Recording:
    """Seconds to record so many opt-outs in one way."""

    what: str
    opt_outs: int
    seconds: float


def record(scene: Scene, batches: Sequence[int], say: Callable[[str], None]) -> list[Recording]:
    """Measure single calls, and batches of several sizes."""
    ways = {"single calls, each committed": (_SINGLE, one_by_one)}
    ways |= {f"a batch of {number:,}": (number, batch) for number in batches}
    say(f"PostgreSQL {scene.major}: opt-outs, one by one and in batches of {', '.join(f'{n:,}' for n in batches)}")
    taken = take_turns({what: partial(_record, scene, *way) for what, way in ways.items()})
    return [Recording(what, ways[what][0], seconds) for what, seconds in taken.items()]


def _record(scene: Scene, number: int, do: Callable[[Connection, int], None]) -> float:
    with scene.copy(RLSGUARD) as name, scene.connect(name, "desk") as conn:
        # What only a new session does.
        conn.execute(_ONE, ["0"], prepare=True)
        return timed(lambda: do(conn, number))


def one_by_one(conn: Connection, number: int) -> None:
    """Let so many people opt out, one after the other."""
    for person in range(1, number + 1):
        conn.execute(_ONE, [str(person)], prepare=True)


def batch(conn: Connection, number: int) -> None:
    """Let so many people opt out at once."""
    conn.execute(_BATCH, [number])
