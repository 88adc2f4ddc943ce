"""SECURITY DEFINER routines: whom they read as, and which protected tables they read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from rlsguard.catalog.model import Catalog
from rlsguard.names import QualifiedName
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target
from rlsguard.prove.windows import Window, key_in

_WORD = re.compile(r"[\w$]+")
# Comments, texts, and quoted names: in these nothing else begins.
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
    | (?<![\w$])e'(?P<escaped>(?:[^'\\]|\\.|'')*)' | '(?P<plain>(?:[^']|'')*)'
    | (?<![\w$])\$(?P<tag>(?:[a-z_]\w*)?)\$(?P<dollars>.*?)\$(?P=tag)\$
    | "(?:[^"]|"")*" """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
# What makes a text a statement, rather than something to be read by people.
_STATEMENT = re.compile(r"\b(select|copy|insert\s+into|delete\s+from|merge\s+into|update\s+\S+\s+set)\b", re.IGNORECASE)
# EXECUTE, and functions that run, or read, what they are told.
_RUNS_TEXT = re.compile(r"execute|\w+_to_xml\w*|ts_stat|dblink\w*|crosstab\w*")


@dataclass(frozen=True, slots=True)
class Routine:
    """A SECURITY DEFINER routine.

    Attributes:
        signature: its name with the types of its arguments, as SQL spells it.
        trigger: whether triggers run it, so that nobody calls it.
        tables: OIDs of the protected tables that it is known, or by its words likely, to read.
        reads_as: as whom it reads these: its owner, or the owners of other such routines that it calls.
        dynamic: whether it puts SQL together as it runs, so that there is no telling what it reads.
        callers: the probed roles that may call it; where not everybody may, any login.
        harmless: whether a call needs no arguments and, as declared, changes nothing.
        returns: OID of the relation whose rows it returns, or 0.
        columns: names of the columns that it returns, where it declares them itself.
    """

    signature: str
    procedure: bool
    trigger: bool
    owner: str
    tables: frozenset[int]
    reads_as: tuple[str, ...]
    dynamic: bool
    callers: tuple[str, ...]
    name: QualifiedName
    harmless: bool
    returns: int
    columns: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The word for it in ALTER."""
        return "PROCEDURE" if self.procedure else "FUNCTION"


def routines(
    session: Session, catalog: Catalog, protected: Collection[int], windows: Iterable[Window], callers: Collection[str]
) -> tuple[Routine, ...]:
    """Return every SECURITY DEFINER routine, by name; those of extensions only if they mention a protected table.

    Args:
        callers: the probed roles.
    """
    behind = {oid: frozenset({oid}) for oid in protected} | {window.oid: window.bases for window in windows}
    names = {table.oid: table.name.name for table in catalog.tables.values() if table.oid in behind}
    names |= {window.oid: window.name.name for window in windows}
    bodies = {oid: _Body(*row) for oid, *row in session.file("bodies")}
    read = {oid: _read(body, behind, names) for oid, body in bodies.items()}
    by_name: dict[str, list[int]] = {}
    for oid, body in bodies.items():
        by_name.setdefault(body.name, []).append(oid)
    found = []
    for (
        oid,
        signature,
        kind,
        trigger,
        owner,
        volatile,
        is_set,
        language,
        needed,
        schema,
        name,
        returns,
        columns,
        who,
    ) in session.file("routines", [list(callers)]):
        run = list(_run(oid, owner, bodies, by_name))
        tables = frozenset().union(*(read[one] for one, _ in run))
        if bodies[oid].extension and not tables:
            continue
        found.append(
            Routine(
                signature=signature,
                procedure=kind == "p",
                trigger=trigger,
                owner=owner,
                tables=tables,
                reads_as=tuple(sorted({reader for one, reader in run if read[one]})),
                dynamic=any(bodies[one].dynamic for one, _ in run),
                callers=tuple(who),
                name=QualifiedName(schema, name),
                harmless=kind == "f" and volatile != "v" and needed == 0 and is_set and language in ("sql", "plpgsql"),
                returns=returns,
                columns=tuple(columns),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class _Body:
    """What a function says, or a view that calls one. What it reads and calls is known, if at all, by its words.

    Attributes:
        definer: as whom it runs, where that is not whoever calls it.
        reads: OIDs of the relations that the catalog knows it to read.
    """

    name: str
    source: str
    language: str
    definer: str | None
    extension: bool
    reads: list[int]

    @property
    def dynamic(self) -> bool:
        """Whether it puts SQL together as it runs; extensions are taken to do that for their own ends."""
        legible = self.language in ("sql", "plpgsql")
        return not self.extension and not (legible and not any(map(_RUNS_TEXT.fullmatch, self.words)))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of its code."""
        return frozenset(_WORD.findall(self._parts[0].lower()))

    @cached_property
    def _parts(self) -> tuple[str, list[str]]:
        """Its code without comments, texts that are statements included; and all other texts."""
        if self.language not in ("sql", "plpgsql"):
            return self.source, []
        code, texts, at = [], [], 0
        for token in _TOKEN.finditer(self.source):
            code.append(self.source[at : token.start()])
            at = token.end()
            text = next((one for one in token.group("escaped", "plain", "dollars") if one is not None), None)
            if text is not None and not _STATEMENT.search(text):
                texts.append(text.lower())
            elif token["comment"] is None:
                code.append(token[0])
        return " ".join([*code, self.source[at:]]), texts

    def mentions(self, name: str) -> bool:
        """Tell whether it names *name*, in its code or in a text that could be put into a statement."""
        name, (code, texts) = name.lower(), self._parts
        if name in self.words if _WORD.fullmatch(name) else name in code.lower():
            return True
        return any(name in text and _names(text, name) for text in texts)


def _names(text: str, name: str) -> bool:
    """Tell whether *text* is *name*, or has it where SQL has names; elsewhere it is a word among others."""
    spelled = rf'"?{re.escape(name)}"?(?![\w$])'
    alone = re.fullmatch(rf'\s*(?:[\w$"]+\.)?{spelled}\s*', text)
    return bool(alone or re.search(rf"(?:\.|\b(?:from|join|into|update|table|only)\s+){spelled}", text))


def _read(body: _Body, behind: Mapping[int, frozenset[int]], names: Mapping[int, str]) -> frozenset[int]:
    """Return the protected tables that *body* itself reads, or names."""
    named = {oid for oid, name in names.items() if body.mentions(name)}
    return frozenset(base for oid in {*body.reads, *named} & behind.keys() for base in behind[oid])


def _run(
    oid: int, owner: str, bodies: Mapping[int, _Body], by_name: Mapping[str, Collection[int]]
) -> Iterator[tuple[int, str]]:
    """Yield a definer's routine and all that runs because it is called, at any remove; each with whose rights."""
    words = {name: name.lower() for name in by_name}
    seen, queue = {(oid, owner)}, [(oid, owner)]
    while queue:
        one, reader = queue.pop()
        yield one, reader
        body = bodies[one]
        called = [
            name
            for name, word in words.items()
            if word in body.words or (not _WORD.fullmatch(word) and body.mentions(name))
        ]
        for other in (other for name in called for other in by_name[name]):
            step = (other, bodies[other].definer or reader)
            if step not in seen:
                seen.add(step)
                queue.append(step)


def key_of(
    routine: Routine, target: Target, catalog: Catalog, windows: Mapping[QualifiedName, Window]
) -> tuple[str, ...]:
    """Return the columns of what *routine* returns that hold the key of *target*; nothing where that cannot be told."""
    key = target.key_columns
    if routine.returns == target.table.oid:
        return key
    for window in windows.values():
        if routine.returns == window.oid:
            return key_in(window, target.table.name, key, catalog, windows)
    # A column that it names itself is taken for the key if no other table has one of that name.
    others = {column for table in catalog.tables.values() if table.oid != target.table.oid for column in table.columns}
    return key if key and set(key) <= set(routine.columns) and others.isdisjoint(key) else ()
