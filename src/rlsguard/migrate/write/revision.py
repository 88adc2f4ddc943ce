"""A migration as the body of an Alembic revision: its SQL, and nothing that has to be imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import dedent

from rlsguard.migrate.model import Index, Step
from rlsguard.migrate.steps import within

# No character of a statement is a parameter, whatever the driver.
_RUN = '''\
context = op.get_context()

    def run(statement: str) -> None:
        """Run *statement* as it stands: nothing in it is a parameter."""
        if context.as_sql:
            context.impl.static_output(f"{statement};")
        else:
            op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
'''
_TRANSACTION = '''
    def transaction(*statements: str) -> None:
        """Run *statements*, all or none of them."""
        run("BEGIN")
        try:
            for statement in statements:
                run(statement)
        except BaseException:
            run("ROLLBACK")
            raise
        run("COMMIT")
'''


def upgrade(steps: Sequence[Step]) -> str:
    """Return the body of upgrade(), indented but for its first line, as Alembic's templates want it."""
    return _body([(step.title, step.up) for step in steps])


def downgrade(steps: Sequence[Step]) -> str:
    """Return the body of downgrade()."""
    return _body([(f"undo: {step.title}", step.down) for step in reversed(steps)])


def make_indexes(indexes: Sequence[Index]) -> str:
    """Return the body of upgrade() for a revision of its own: outside of any transaction."""
    return _outside(statement for index in indexes for statement in index.up)


def drop_indexes(indexes: Sequence[Index]) -> str:
    """Return the body of its downgrade()."""
    return _outside(statement for index in reversed(indexes) for statement in index.down)


def indented(sql: Sequence[str], what: Sequence[str]) -> str:
    """Return Python that runs *sql*, the same also when Alembic indents it; `dedent` must have been imported."""
    if not sql:
        return ""
    told = "".join(f"# rlsguard: {_one_line(each)}\n" for each in what)
    return told + dedent("    " + _RUN) + "".join(f"run({_dedented(statement)})\n" for statement in sql)


def _dedented(statement: str) -> str:
    literal = _literal(statement)
    # What Alembic and dedent do to blanks must not reach a text within the statement.
    if "\n" not in literal:
        return literal
    if not literal.startswith("r") or re.search(r"[ ]$|^\s+\Z", statement, re.MULTILINE):
        return repr(statement)
    quotes = literal[1:4]
    return f"dedent(r{quotes}\n{statement}\n{quotes}).strip()"


def _run(sql: Sequence[str], indent: str = "    ") -> str:
    return "".join(f"{indent}run({_literal(statement)})\n" for statement in sql)


def _body(steps: Sequence[tuple[str, Sequence[str]]]) -> str:
    if not steps:
        return ""
    if len(steps) == 1:  # one transaction: Alembic's own, which notes the revision too
        ((_, only),) = steps
        return f"{_RUN}\n{_run(within(only))}"
    parts = [_RUN, _TRANSACTION, "\n    with context.autocommit_block():\n"]
    for number, (title, sql) in enumerate(steps, 1):
        parts.append(f"        # {number} of {len(steps)}: {_one_line(title)}\n        transaction(\n")
        parts += [f"{_literal(statement)},\n" for statement in sql]
        parts.append("        )\n")
    return "".join(parts)


def _outside(sql: Iterator[str]) -> str:
    return f"{_RUN}\n    with context.autocommit_block():\n{_run(tuple(sql), indent='        ')}"


def _literal(statement: str) -> str:
    """Return a Python literal of *statement* that reads as SQL, if there is one."""
    if statement.isprintable() and not set(statement) & {'"', "\\"}:
        return f'"{statement}"'
    raw = all(c == "\n" or c.isprintable() for c in statement)
    if raw and '"""' not in statement and not statement.endswith(('"', "\\")):
        return f'r"""{statement}"""'
    if raw and "'''" not in statement and not statement.endswith(("'", "\\")):
        return f"r'''{statement}'''"
    return repr(statement)


def _one_line(words: str) -> str:
    return "".join(c if c.isprintable() else " " for c in words)
