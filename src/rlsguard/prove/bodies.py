"""What functions, operators and views say: the only word there is on what a function reads, and what it calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property

from rlsguard.keywords import KEYWORDS
from rlsguard.names import quote
from rlsguard.prove.session import Session

_WORD = re.compile(r"[\w$]+")
# Comments, texts and quoted names: in these nothing else begins. What stands between dollars is mostly code.
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)
    | (?<![\w$])e'(?P<escaped>(?:[^'\\]|\\.|'')*)' | '(?P<plain>(?:[^']|'')*)'
    | (?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$)(?P<dollars>.*?)(?P=tag)
    | "(?:[^"]|"")*" """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
# EXECUTE, and functions that run, or read, what they are told.
_RUNS_TEXT = re.compile(r"execute|\w+_to_xml\w*|ts_stat|ts_rewrite|dblink\w*|crosstab\w*|connectby|xpath_table")


class Names:
    """Names to look for: those that are words as they stand, and others."""

    def __init__(self, names: Iterable[str]) -> None:
        every = frozenset(names)
        self.plain = frozenset(
            name for name in every if _WORD.fullmatch(name) and name == name.lower() and name not in KEYWORDS
        )
        self.others = every - self.plain


@dataclass(frozen=True, eq=False)
class Body:
    """What a function says, or an operator or view by which it can be called.

    Attributes:
        oid: of the function; 0 for what is none.
        name: as others call it; empty for functions of triggers, which nobody calls.
        definer: as whom it runs, where that is not whoever calls it.
        extension: whether it belongs to one.
        reads: OIDs of the relations that the catalog knows it to read.
    """

    oid: int
    name: str
    source: str
    language: str
    definer: str | None
    extension: bool
    reads: list[int]

    @cached_property
    def runs_text(self) -> bool:
        """Whether it puts SQL together as it runs, or may."""
        return not self._legible or any(map(_RUNS_TEXT.fullmatch, self._words))

    def mentions(self, names: Names, *, in_texts: bool) -> frozenset[str]:
        """Return which of *names* are in its code or, *in_texts*, in what may become code as it runs."""
        code, texts = self._parts
        if not in_texts:
            texts = []
        words = self._words.union(*map(_WORD.findall, texts))
        others = {name for name in names.others if self._spells(name, code, texts)}
        return words & names.plain | others

    def _spells(self, name: str, code: str, texts: list[str]) -> bool:
        if not self._legible:
            return name.lower() in code.lower()
        return name.lower() in map(str.strip, texts) or any(_spelled(name).search(part) for part in (code, *texts))

    @property
    def _legible(self) -> bool:
        return self.language in ("sql", "plpgsql")

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self._parts[0].lower()))

    @cached_property
    def _parts(self) -> tuple[str, list[str]]:
        """Its code, without comments; and its texts, which people may be meant to read."""
        return _split(self.source) if self._legible else (self.source, [])


def _split(source: str) -> tuple[str, list[str]]:
    code: list[str] = []
    texts: list[str] = []
    at = 0
    for token in _TOKEN.finditer(source):
        code.append(source[at : token.start()])
        at = token.end()
        text = token["escaped"] if token["plain"] is None else token["plain"]
        if text is not None:
            texts.append(text.lower())
        elif token["tag"]:
            inner, inner_texts = _split(token["dollars"])
            code.append(inner)
            texts += inner_texts
        elif token["comment"] is None:
            code.append(token[0])
    return " ".join([*code, source[at:]]), texts


@cache
def _spelled(name: str) -> re.Pattern[str]:
    """Return how *name* is spelled where the bare word is not it: an operator, a keyword, a name to be quoted."""
    if not re.search(r"\w", name):
        return re.compile(re.escape(name))
    spelled = re.escape(quote(name))
    if name in KEYWORDS:
        # Bare, it is a name after a dot, and some are where a table's name is due.
        spelled += rf"|(?:\.|\b(?:from|join|into|update|only|table)\b)\s*{name}\b"
    return re.compile(spelled, re.IGNORECASE)


class Bodies:
    """Every body that did not come with the server."""

    def __init__(self, session: Session) -> None:
        every = [Body(*row) for row in session.file("bodies")]
        self.by_oid = {body.oid: body for body in every}
        self._by_name: dict[str, list[Body]] = {}
        for body in every:
            self._by_name.setdefault(body.name, []).append(body)
        self._names = Names(name for name in self._by_name if name)
        self._called: dict[tuple[Body, bool], list[Body]] = {}

    def run_by(self, start: Body) -> tuple[list[tuple[Body, str]], bool]:
        """Return all that runs when a definer's function does, and as whom; and whether texts may become code in it."""
        run = self._run(start, in_texts=False)
        in_texts = any(body.runs_text for body, _ in run)
        return (self._run(start, in_texts=True) if in_texts else run), in_texts

    def _run(self, start: Body, *, in_texts: bool) -> list[tuple[Body, str]]:
        run = [(start, start.definer or "")]
        seen = set(run)
        for body, reader in run:
            for other in self._called_by(body, in_texts=in_texts):
                step = (other, other.definer or reader)
                if step not in seen:
                    seen.add(step)
                    run.append(step)
        return run

    def _called_by(self, body: Body, *, in_texts: bool) -> list[Body]:
        if (body, in_texts) not in self._called:
            names = body.mentions(self._names, in_texts=in_texts)
            self._called[body, in_texts] = [other for name in names for other in self._by_name[name]]
        return self._called[body, in_texts]
