"""Hypothesis makes up small worlds: tables, rows, a data map, roles, and what people said about opt-outs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st

from worlds.key_types import KEY_TYPES, KeyType

# What the letters of a name may be: all that PostgreSQL and YAML both allow, but not the names of its own making.
_LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff\ufffe\uffff")
_ODD = [
    "client", "Client", "select", 'do "it"', "o'clock", "%s", "{0}", "{{ x }}", "$$", "--", "a.b", " = ", "s", "\\",
    "*/", "subject_key", "rlsguard", "current_user", "naïve ✗", "x" * 63, "é" * 31, " ",
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(_ODD), st.text(_LETTERS, min_size=1, max_size=8))

TODAY = dt.datetime.now(dt.UTC).date()
PURPOSES = ("marketing", "analytics", "credit.scoring-2", "servicing")
KINDS = ("client", "staff")


class Shape(NamedTuple):
    """A table. All have the same columns under names of their own: id, part, two to join by, and one for each kind.

    Attributes:
        tree: "plain", "partitioned", "nested" (partitions of partitions) or "inherited".
        strict: no column may be null.
        owner: index of the role that owns it; None for the superuser.
        own_policy: whether it has row security of its own, by which only part 0 is to be seen: None, "enabled" (not for
            its owner) or "forced".
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    tree: str
    leaves: tuple[str, str, str]
    strict: bool
    owner: int | None
    own_policy: str | None


class Row(NamedTuple):
    """A row: the number of the leaf it is in, and each column's value as (value, spelling), or None for null."""

    id: int
    part: int
    values: tuple[tuple[int, int] | None, ...]
    late: bool


class Hop(NamedTuple):
    """A step to `table`: the columns (by number) that are equal on both sides."""

    table: int
    columns: tuple[int, ...]


class Path(NamedTuple):
    """A way to a kind (by number)."""

    kind: int
    hops: tuple[Hop, ...]


class Entry(NamedTuple):
    """What the map says of a table."""

    paths: tuple[Path, ...]
    joint: str | None
    when_unknown: str | None
    reads: str | None
    audit: bool


class Reader(NamedTuple):
    """A role. `until`: of its exemption; `reads_for`: empty for a role that the map does not name."""

    name: str
    reads_for: tuple[str, ...]
    exempt: bool
    until: dt.date | None
    member_of: tuple[int, ...]
    inherit: bool
    bypass_rls: bool


class Said(NamedTuple):
    """One call of opt_out or opt_in."""

    function: str
    kind: int
    person: int
    spelling: int
    purposes: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """All that a test needs to build a database and to know what it should show.

    Attributes:
        types: of the two join columns, then of each kind's key.
        maps: what the map says of each table, first and after a change.
    """

    types: tuple[KeyType, ...]
    shapes: tuple[Shape, ...]
    rows: tuple[tuple[Row, ...], ...]
    maps: tuple[tuple[Entry | None, ...], ...]
    readers: tuple[Reader, ...]
    said: tuple[Said, ...]
    bypass: str

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS[: len(self.types) - 2]

    def purposes(self) -> dict[str, bool]:
        """Return the purposes that the map has, and whether people can opt out of them."""
        return {name: name != "servicing" for name in PURPOSES}


@st.composite
def worlds(draw: st.DrawFn, extensions: frozenset[str] = frozenset()) -> World:
    """Draw a world whose map fits its database."""
    possible = [one for one in KEY_TYPES if one.extension is None or one.extension in extensions]
    kinds = draw(st.integers(1, len(KINDS)))
    types = tuple(draw(st.lists(st.sampled_from(possible), min_size=2 + kinds, max_size=2 + kinds)))
    readers = _readers(draw)
    shapes = _shapes(draw, len(types), len(readers), draw(st.integers(kinds, 5)))
    rows = tuple(_rows(draw, shape, types) for shape in shapes)
    return World(
        types,
        shapes,
        rows,
        tuple(tuple(_entry(draw, shapes, at, kinds) for at in range(len(shapes))) for _ in range(2)),
        readers,
        tuple(draw(st.lists(_said(types), min_size=draw(st.sampled_from([0, 6])), max_size=12))),
        draw(st.sampled_from(["attribute", "marker"])),
    )


def _shapes(draw: st.DrawFn, types: int, readers: int, count: int) -> tuple[Shape, ...]:
    schemas = draw(st.lists(NAMES.filter(_may_be_schema), min_size=1, max_size=2, unique=True))
    names = draw(st.lists(NAMES, min_size=4 * count, max_size=4 * count, unique=True))
    return tuple(
        Shape(
            draw(st.sampled_from(schemas)),
            names[4 * at],
            tuple(draw(st.lists(NAMES.filter(_may_be_column), min_size=2 + types, max_size=2 + types, unique=True))),
            draw(st.sampled_from(["plain", "plain", "partitioned", "nested", "inherited"])),
            (names[4 * at + 1], names[4 * at + 2], names[4 * at + 3]),
            draw(st.booleans()),
            draw(st.none() | st.integers(0, readers - 1)),
            draw(st.sampled_from([None, None, None, "enabled", "forced"])),
        )
        for at in range(count)
    )


def _may_be_schema(name: str) -> bool:
    return not name.startswith("pg_") and name not in (
        "rlsguard",
        "rlsguard_views",
        "types",
        "information_schema",
        "public",
    )


def _may_be_column(name: str) -> bool:
    return name not in ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


def _rows(draw: st.DrawFn, shape: Shape, types: tuple[KeyType, ...]) -> tuple[Row, ...]:
    def value(key_type: KeyType) -> st.SearchStrategy[tuple[int, int] | None]:
        pairs = st.sampled_from([(v, s) for v, spellings in enumerate(key_type.values) for s in range(len(spellings))])
        return pairs if shape.strict else st.none() | pairs

    parts = st.just(0) if shape.tree == "plain" else st.integers(0, 1)
    one = st.tuples(parts, st.tuples(*map(value, types)), st.booleans())
    found = draw(st.lists(one, min_size=draw(st.sampled_from([0, 4])), max_size=8))
    return tuple(Row(number, *values) for number, values in enumerate(found))


def _entry(draw: st.DrawFn, shapes: tuple[Shape, ...], at: int, kinds: int) -> Entry | None:
    # The subjects' own tables come first; paths lead to tables with a lower number only, so never in a circle.
    def path() -> Path:
        hops: list[Hop] = []
        below = at
        while below > 0 and len(hops) < 3 and draw(st.booleans()):
            below = draw(st.integers(0, below - 1))
            hops.append(Hop(below, draw(st.sampled_from([(0,), (1,), (0, 1), (1, 0)]))))
        return Path(draw(st.integers(0, kinds - 1)), tuple(hops))

    paths = tuple(dict.fromkeys(path() for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3, 0])))))
    crossed = {at, *(hop.table for one in paths for hop in one.hops)}
    say_nothing = all(shapes[one].strict for one in crossed)
    unknown = draw(st.sampled_from([None, "hide", "show"] if say_nothing else ["hide", "show"]))
    if not paths:
        return draw(st.sampled_from([None, Entry((), None, None, None, False)]))
    joint = draw(st.sampled_from([None, "any", "all"]))
    reads = draw(st.sampled_from([None, "lookups", "scans"]))
    return Entry(paths, joint, unknown, reads, draw(st.booleans()))


def _readers(draw: st.DrawFn) -> tuple[Reader, ...]:
    names = draw(st.lists(NAMES.filter(_may_be_role), min_size=2, max_size=4, unique=True))
    readers = []
    for at, name in enumerate(names):
        reads_for = tuple(draw(st.lists(st.sampled_from(PURPOSES), max_size=2, unique=True)))
        exempt = not reads_for and draw(st.booleans())
        days = draw(st.none() | st.sampled_from([-400, -1, 2, 400])) if exempt else None
        readers.append(
            Reader(
                name,
                reads_for,
                exempt,
                None if days is None else TODAY + dt.timedelta(days=days),
                tuple(draw(st.lists(st.integers(0, at - 1), max_size=2, unique=True))) if at else (),
                draw(st.booleans()),
                # Row security cannot hold such a role to opt-outs, so the map must not say that it is.
                all(purpose == "servicing" for purpose in reads_for) and draw(st.integers(0, 5)) == 0,
            )
        )
    return tuple(readers)


def _may_be_role(name: str) -> bool:
    return not name.startswith(("pg_", "rlsguard_")) and name not in ("public", "none", "postgres")


def _said(types: tuple[KeyType, ...]) -> st.SearchStrategy[Said]:
    people = [
        (kind, person, spelling)
        for kind, key_type in enumerate(types[2:])
        for person, spellings in enumerate(key_type.values)
        for spelling in range(len(spellings))
    ]
    chosen = [purpose for purpose in PURPOSES if purpose != "servicing"]
    return st.builds(
        lambda function, who, purposes: Said(function, *who, tuple(purposes)),
        st.sampled_from(["opt_out", "opt_out", "opt_in"]),
        st.sampled_from(people),
        st.lists(st.sampled_from(chosen), min_size=1, max_size=3, unique=True),
    )


def spelled(key_type: KeyType, value: tuple[int, int] | None) -> str | None:
    """Return *value* as text, or None for null."""
    return None if value is None else key_type.values[value[0]][value[1]]
