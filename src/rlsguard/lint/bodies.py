"""SQL inside SQL: DO blocks, functions, and what EXECUTE runs as far as it is written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pglast
from pglast import ast

from rlsguard.lint.model import UNKNOWN, SqlError, Statement, Unreadable
from rlsguard.lint.parser import Source, parse, trees
from rlsguard.lint.tree import is_true, option, strings, walk
from rlsguard.problems import Position

_ASSIGNED = re.compile(r"[^:=]*:?=")
_FORMAT = re.compile(r"%(?:(\d+)\$)?-?(?:\d+|\*)?([sIL%])")
# RawParseMode: a statement, or an expression; what is assigned has the other numbers.
_STATEMENT, _EXPRESSION = 0, 2


def inside(statement: Statement) -> tuple[list[Statement], list[Unreadable]]:
    """Return the statements within *statement*, such as a DO block or a function has, and what cannot be read."""
    tree = statement.tree
    match tree:
        case ast.DoStmt():
            body, called = option(tree.args, "as"), statement.called
            language = option(tree.args, "language")
        case ast.CreateFunctionStmt():
            if tree.sql_body is not None:
                return [_part(statement, one, called=True) for one in _flat(tree.sql_body)], []
            (body, *_), called = option(tree.options, "as") or (None,), True
            language = option(tree.options, "language")
        case ast.CreateSchemaStmt():
            for element in tree.schemaElts or ():
                relation = element.view if isinstance(element, ast.ViewStmt) else getattr(element, "relation", None)
                if isinstance(relation, ast.RangeVar) and relation.schemaname is None:
                    relation.schemaname = tree.schemaname
            return [_part(statement, one) for one in tree.schemaElts or ()], []
        case ast.SelectStmt():
            return list(_set_by_call(statement)), []
        case ast.VariableSetStmt() if tree.name == "standard_conforming_strings":
            return [], [
                Unreadable(statement.position, "setting", "from here on, texts may end elsewhere than it seems")
            ]
        case ast.ExplainStmt() | ast.PrepareStmt():
            return [_part(statement, tree.query)], []
        case _:
            return [], []
    name = str(language.sval).lower() if isinstance(language, ast.String) else "plpgsql"
    if not isinstance(body, ast.String) or name in ("c", "internal"):
        return [], []
    source = _source(statement, str(body.sval))
    if name == "sql":
        try:
            return parse(source, psql=False, called=True)
        except SqlError as error:
            return [], [Unreadable(statement.position, "body", error.problems[0].message)]
    if name != "plpgsql":
        return [], [Unreadable(statement.position, "body", f"it is written in {name}")]
    return _plpgsql(statement, source, called)


def _set_by_call(statement: Statement) -> Iterator[Statement]:
    """Yield what is set by set_config(), as SET says it."""
    for node in walk(statement.tree):
        if isinstance(node, ast.FuncCall) and strings(node.funcname)[-1] == "set_config" and len(node.args or ()) == 3:
            name, value = (_fold(one) for one in node.args[:2])
            given = value if value and name == "search_path" else "'" + value.replace("'", "''") + "'"
            with suppress(SqlError):
                local = "LOCAL " if is_true(getattr(node.args[2], "val", None)) else ""
                for tree in trees(f"SET {local}{name} TO {given}"):
                    yield _part(statement, tree)


def _part(statement: Statement, tree: Any, *, called: bool = False) -> Statement:
    return Statement(statement.text, statement.position, tree, called or statement.called)


def _flat(body: Any) -> Iterator[Any]:
    """Yield the statements of a body that is SQL itself: BEGIN ATOMIC ... END, or RETURN."""
    if isinstance(body, tuple):
        for one in body:
            yield from _flat(one)
    else:
        yield body


def _source(statement: Statement, body: str) -> Source:
    """Return *body* as a source of its own whose places are those of the file."""
    file, start = statement.position.file, statement.position
    # Where quotes are doubled in it, it does not stand there as it is.
    at = statement.text.find(body) if body else -1
    if at < 0:
        return Source(body, file, lambda offset: start)
    whole = Source(statement.text, file)

    def place(offset: int) -> Position:
        here = whole.place(at + offset)
        column = here.column + start.column - 1 if here.line == 1 else here.column
        return Position(file, here.line + start.line - 1, column)

    return Source(body, file, place)


def _plpgsql(statement: Statement, source: Source, called: bool) -> tuple[list[Statement], list[Unreadable]]:
    try:
        read = pglast.parse_plpgsql(statement.text)
    except (pglast.parser.ParseError, ValueError, RecursionError) as error:
        why = str(error).splitlines()[0] if str(error) else "its body is not PL/pgSQL"
        return [], [Unreadable(statement.position, "body", why)]
    found: list[Statement] = []
    unreadable: list[Unreadable] = []
    lines = [0, *(match.end() for match in re.finditer("\n", source.text))]
    for query, mode, line, dynamic in _queries(read):
        start = lines[min(line, len(lines)) - 1]
        text = source.text[start:]
        position = source.place(start + len(text) - len(text.lstrip()))
        try:
            if dynamic:
                told = _told(query)
                if told is None or UNKNOWN in told:
                    unreadable.append(Unreadable(position, "EXECUTE", "it is put together as it runs"))
                if told is None:
                    continue
                query, mode = told, _STATEMENT
            parsed = trees(_readable(query, mode))
        except SqlError as error:
            if not dynamic:
                unreadable.append(Unreadable(position, "body", error.problems[0].message))
            continue
        found += [Statement(query, position, tree, called) for tree in parsed]
    return found, unreadable


def _readable(query: str, mode: int) -> str:
    if mode == _STATEMENT:
        return query
    if mode == _EXPRESSION:
        return f"SELECT {query}"
    return f"SELECT {_ASSIGNED.sub('', query, count=1)}"


def _queries(read: Any) -> Iterator[tuple[str, int, int, bool]]:
    """Yield each query of a PL/pgSQL body: its text, how it is to be read, its line, whether it is put together."""
    stack: list[tuple[Any, int, bool]] = [(read, 1, False)]
    while stack:
        one, line, dynamic = stack.pop()
        if isinstance(one, list):
            stack.extend((item, line, dynamic) for item in reversed(one))
        elif isinstance(one, dict):
            line = one.get("lineno", line)
            if "query" in one and isinstance(one["query"], str):
                yield one["query"], one.get("parseMode", _STATEMENT), line, dynamic
            for name, value in reversed(one.items()):
                runs = name == "dynquery" or (dynamic and name == "query")
                # EXECUTE itself, and FOR ... IN EXECUTE: of these the query is a text that is run; USING is not.
                inner = name in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors")
                passed = dynamic and name == "PLpgSQL_expr"
                if isinstance(value, (dict, list)):
                    stack.append((value, line, runs or inner or passed))


def _told(expression: str) -> str | None:
    """Return the text that *expression* comes to, with UNKNOWN for what is known only as it runs; None for nothing."""
    (tree,) = trees(f"SELECT {expression}")
    if not isinstance(tree, ast.SelectStmt) or not tree.targetList:
        return None
    text = _fold(tree.targetList[0].val)
    return text if text.replace(UNKNOWN, "").strip() else None


def _fold(node: Any) -> str:
    match node:
        case ast.A_Const(val=ast.String()):
            return str(node.val.sval)
        case ast.A_Const(val=ast.Integer()):
            return str(node.val.ival)
        case ast.A_Expr() if strings(node.name) == ("||",):
            return _joined(node)
        case ast.TypeCast():
            return _fold(node.arg)
        case ast.FuncCall():
            return _call(strings(node.funcname)[-1], node.args or ())
    return UNKNOWN


def _joined(node: Any) -> str:
    """Return what a chain of || comes to; it nests on the left, as deep as it is long."""
    parts: list[str] = []
    while isinstance(node, ast.A_Expr) and strings(node.name) == ("||",):
        parts.append(_fold(node.rexpr))
        node = node.lexpr
    return "".join(reversed([*parts, _fold(node)]))


def _call(function: str, args: tuple[Any, ...]) -> str:
    if function == "format" and args:
        values = [_fold(one) for one in args[1:]]
        return _formatted(_fold(args[0]), values)
    if function in ("quote_ident", "concat", "btrim", "lower"):
        folded = "".join(_fold(one) for one in args)
        return _quoted(folded) if function == "quote_ident" else folded
    if function in ("quote_literal", "quote_nullable"):
        return "'" + "".join(_fold(one) for one in args).replace("'", "''") + "'"
    return UNKNOWN


def _formatted(template: str, values: list[str]) -> str:
    number = 0

    def put(match: re.Match[str]) -> str:
        nonlocal number
        if match[2] == "%":
            return "%"
        number = int(match[1]) if match[1] else number + 1
        value = values[number - 1] if 0 < number <= len(values) else UNKNOWN
        if match[2] == "L":
            return "'" + value.replace("'", "''") + "'"
        return _quoted(value) if match[2] == "I" else value

    return _FORMAT.sub(put, template)


def _quoted(name: str) -> str:
    return name if UNKNOWN in name else '"' + name.replace('"', '""') + '"'
