"""What functions, operators and views say: the only word there is on what a function reads, and what it calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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

    def mentions(self, name: str, *, in_texts: bool) -> bool:
        """Tell whether it names *name*: in its code or, *in_texts*, in what may become code as it runs."""
        if not self._legible:
            return name.lower() in self.source.lower()
        code, texts = self._parts
        if not in_texts:
            texts = []
        if quote(name) == name:
            return name in self._words or any(name in _WORD.findall(text) for text in texts)
        if name.lower() in map(str.strip, texts):
            return True
        return any(_spelled(name).search(part) for part in (code, *texts))

    @property
    def _legible(self) -> bool:
        return self.language in ("sql", "plpgsql")

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self._parts[0].lower()))

    @cached_property
    def _parts(self) -> tuple[str, list[str]]:
        """Its code, without comments; and its texts, which people may be meant to read."""
        return _split(self.source)


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


def bodies(session: Session) -> tuple[Body, ...]:
    """Return every body that did not come with the server."""
    return tuple(Body(*row) for row in session.file("bodies"))


def running(start: Body, owner: str, among: Sequence[Body], *, in_texts: bool) -> Iterator[tuple[Body, str]]:
    """Yield a definer's function and all that runs because it is called, at any remove; each with as whom."""
    seen, queue = {(start, owner)}, [(start, owner)]
    while queue:
        body, reader = queue.pop()
        yield body, reader
        for other in among:
            step = (other, other.definer or reader)
            if step not in seen and other.name and body.mentions(other.name, in_texts=in_texts):
                seen.add(step)
                queue.append(step)
