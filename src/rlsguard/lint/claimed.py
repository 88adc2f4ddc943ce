"""What rlsguard's own migrations do, of a file that says it is one: one finding, rather than one for each statement."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.lint.model import Script, Statement
from rlsguard.lint.rules import Found


class Claimed:
    """What was found so far in the statements of a file that say rlsguard wrote them.

    Attributes:
        unread: how many of them cannot be read before they are run.
    """

    def __init__(self) -> None:
        self.unread = 0
        self._found: list[tuple[Found, Statement]] = []

    def add(self, found: Found, statement: Statement) -> None:
        """Keep what is such as rlsguard does itself."""
        self._found.append((found, statement))

    def gone(self) -> Iterator[tuple[Found, Statement]]:
        """Yield, and keep no longer, what takes away something of the guard's that is not made again after it."""
        last = {(found.kind.id, found.about): (found, statement) for found, statement in self._found}
        gone = [one for one in last.values() if one[0].goes]
        self._found = [one for one in self._found if one not in gone]
        yield from gone

    def together(self, script: Script) -> Found | None:
        """Return what the others do, as one."""
        statements = len({id(statement) for _, statement in self._found})
        if not statements and not self.unread:
            return None
        what = "it" if script.claim is None or script.claim.whole else "some of it"
        unread = f", and {self.unread:,} cannot be read before they are run" if self.unread else ""
        why = f"it says that rlsguard wrote {what}, as anybody can: {statements:,} statements change the guard{unread}."
        run = "--migrations alembic.ini" if script.file.endswith(".py") else "--sql FOLDER"
        mend = f"See what it makes: rlsguard check MAP {run}. Who trusts its writer leaves it out: --generated skip."
        tables = tuple(sorted({table for found, _ in self._found for table in found.tables}))
        return Found(kinds.CLAIMED, "guard", why, mend, tables)
