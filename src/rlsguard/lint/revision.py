"""What a revision would run: followed as Python would run it, but along every branch, and without running it.

A function of its own is followed at each of its calls, so that what is handed to a helper, and by that to execute(), is
read where it is written.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlsguard.lint.model import UNKNOWN, SqlError
from rlsguard.lint.operations import method, operation
from rlsguard.lint.texts import MOVES, Python, Text
from rlsguard.problems import Position, Problem

_EXECUTES = ("execute", "exec_driver_sql")
# Steps, of which a statement that a helper runs takes five.
_MOST = 200_000
_MOST_WAYS = 64


@dataclass(frozen=True, slots=True)
class Run:
    """Something that a revision runs.

    Attributes:
        text: SQL; None for what is put together as it runs.
        operation: of Alembic, whose SQL it is, if it is one.
        sure: whether all of the text is known.
        claimed: whether the revision says that rlsguard wrote it.
    """

    text: Text | None
    place: Position
    operation: str | None
    sure: bool
    claimed: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Scope:
    """Names of a module or a function.

    Attributes:
        place: of the call by which a function is followed.
    """

    names: dict[str, Any] = field(default_factory=dict)
    outer: _Scope | None = None
    place: Position | None = None

    def get(self, name: str) -> Any:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def put(self, name: str, value: Any) -> None:
        """Let *name*, which is there, stand for *value*."""
        scope: _Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        if scope is not None:
            scope.names[name] = value


# A value is a Text, a tuple of values, one of these, or None where it is not known.
@dataclass(frozen=True, slots=True)
class _Function:
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: _Scope


@dataclass(frozen=True, slots=True)
class _Execute:
    """Whatever runs what it is given."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A text that a name stands for: it is taken to stand where the name is used."""

    said: str


@dataclass(frozen=True, slots=True)
class _Either:
    """One of several, after branches that differ."""

    values: tuple[Any, ...]


_UNKNOWN_ARGUMENTS = ast.Call(ast.Name("?"), [ast.Starred(ast.Name("?"))], [])


def runs(module: ast.Module, file: Python, claimed: frozenset[int]) -> list[Run]:
    """Return what *module* runs, in its order; what takes it back (downgrade) is left out.

    Args:
        claimed: the statements that it says rlsguard wrote, by their id().

    Raises:
        SqlError: it is more than can be followed.
    """
    follower = _Follower(file, claimed)
    try:
        follower.module(module)
    except RecursionError:
        raise SqlError([Problem(Position(file.file, 1, 1), (), "this is nested too deeply to be read")]) from None
    return follower.found


class _Follower:
    def __init__(self, file: Python, claimed: frozenset[int]) -> None:
        self.found: list[Run] = []
        self._file = file
        self._ids = claimed
        self._claimed = False
        self._left = _MOST
        self._functions: list[_Function] = []
        self._followed: set[int] = set()
        self._inside: list[Any] = []

    def module(self, module: ast.Module) -> None:
        scope = _Scope()
        self._block(module.body, scope)
        names = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        back = _reached(names, [name for name in names if _is(name, "downgrade")])
        self._functions.sort(key=lambda one: not _is(getattr(one.node, "name", ""), "upgrade"))
        for function in self._functions:  # those within them are added as they come
            name = getattr(function.node, "name", "")
            if id(function.node) in self._followed or _is(name, "downgrade"):
                continue
            if _is(name, "upgrade") or function.node not in back:
                self._follow(function, _UNKNOWN_ARGUMENTS, function.scope, None)

    # -- statements ----------------------------------------------------------------------------------------------------

    def _block(self, block: list[ast.stmt], scope: _Scope) -> None:
        for statement in block:
            self._step(statement)
            before, self._claimed = self._claimed, self._claimed or id(statement) in self._ids
            self._statement(statement, scope)
            self._claimed = before

    def _step(self, node: ast.expr | ast.stmt) -> None:
        self._left -= 1
        if self._left < 0:
            raise SqlError([Problem(self._file.place(node), (), "this is more than lint follows")])

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for one in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
                    self._visit(one, scope)
                function = _Function(node, scope)
                scope.names[node.name] = function
                self._functions.append(function)
            case ast.ClassDef():
                self._block(node.body, _Scope(outer=scope))
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign([target], value, scope)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add()):
                self._visit(node.value, scope)
                whole = ast.copy_location(ast.BinOp(ast.copy_location(ast.Name(name), node), node.op, node.value), node)
                self._bind(node.target, _unplaced(self._value(whole, scope)), scope)
            case ast.If():
                self._visit(node.test, scope)
                self._branches([node.body, node.orelse], scope)
            case ast.For() | ast.AsyncFor():
                self._visit(node.iter, scope)
                self._loop(node.target, node.iter, scope, lambda: self._block(node.body, scope))
                self._block(node.orelse, scope)
            case ast.While():
                self._visit(node.test, scope)
                self._branches([node.body, []], scope)
                self._block(node.orelse, scope)
            case ast.Try() | ast.TryStar():
                self._block(node.body, scope)
                self._branches([node.orelse, *(one.body for one in node.handlers)], scope)
                self._block(node.finalbody, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._visit(item.context_expr, scope)
                    if item.optional_vars is not None:
                        self._bind(item.optional_vars, _batch(item.context_expr), scope)
                self._block(node.body, scope)
            case ast.Match():
                self._visit(node.subject, scope)
                self._branches([case.body for case in node.cases], scope)
            case _:
                for child in ast.iter_child_nodes(node):
                    self._visit(child, scope)

    def _assign(self, targets: list[ast.expr], value: ast.expr, scope: _Scope) -> None:
        told = self._value(value, scope)
        if not isinstance(told, _Function | _Execute):  # called by another name
            self._visit(value, scope)
        for target in targets:
            self._bind(target, _unplaced(told), scope)

    def _bind(self, target: ast.expr, value: Any, scope: _Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.names[name] = value
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                values = value if isinstance(value, tuple) and len(value) == len(elements) else (None,) * len(elements)
                for one, its in zip(elements, values, strict=True):
                    self._bind(one, its, scope)
            case ast.Starred(value=inner):
                self._bind(inner, None, scope)

    def _branches(self, blocks: list[list[ast.stmt]], scope: _Scope) -> None:
        """Follow each of *blocks* from here; what they leave behind is either's."""
        before, after = dict(scope.names), list[dict[str, Any]]()
        for block in blocks:
            self._block(block, scope)
            after.append(dict(scope.names))
            scope.names.clear()
            scope.names.update(before)
        for name in dict.fromkeys(name for names in after for name in names):
            scope.names[name] = _either([names[name] for names in after if name in names])

    def _loop(self, target: ast.expr, over: ast.expr, scope: _Scope, body: Callable[[], None]) -> None:
        for one in self._elements(over, scope):
            self._step(over)
            self._bind(target, one, scope)
            body()

    def _elements(self, node: ast.expr, scope: _Scope) -> Iterator[Any]:
        """Yield what a loop goes over; where that is not known, once that nothing is."""
        match node:
            case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
                yield from ((None, one) for one in self._elements(inner, scope))
                return
            case ast.Call(func=ast.Name(id="reversed" | "list" | "tuple" | "iter"), args=[inner]):
                yield from self._elements(inner, scope)
                return
            # The statements of one text.
            case ast.Call(func=ast.Attribute(value=ast.Name(id="sqlparse"), attr="split"), args=[whole, *_]):
                node = whole
            case ast.Call(func=ast.Attribute(value=whole, attr="split"), args=[ast.Constant(value=str() as apart)]):
                if ";" in apart:
                    node = whole
        for value in _alternatives(self._value(node, scope)):
            # What is empty here can be filled by whoever it is handed to.
            yield from value if isinstance(value, tuple) and value else (value if isinstance(value, Text) else None,)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _visit(self, node: ast.AST, scope: _Scope) -> None:
        """Follow the calls in *node*."""
        stack = [node]
        while stack:
            one = stack.pop()
            match one:
                case ast.Call():
                    self._call(one, scope)
                case ast.Lambda():  # called by somebody else
                    self._follow(_Function(one, scope), _UNKNOWN_ARGUMENTS, scope, None)
                case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                    self._comprehension(one.generators, [one.elt], scope)
                case ast.DictComp():
                    self._comprehension(one.generators, [one.key, one.value], scope)
                case ast.NamedExpr():
                    self._assign([one.target], one.value, scope)
                case ast.Name(ctx=ast.Load()) | ast.Attribute():
                    for value in _alternatives(self._value(one, scope)):
                        self._handed_on(value, one, scope)
                    if isinstance(one, ast.Attribute):
                        stack.append(one.value)
                case _:
                    stack.extend(reversed(list(ast.iter_child_nodes(one))))

    def _handed_on(self, value: Any, node: ast.expr, scope: _Scope) -> None:
        """Follow what *value* does, which somebody else calls, with what nobody knows."""
        if isinstance(value, _Execute):
            self._add(None, self._place(node, scope))
        elif isinstance(value, _Function) and id(value.node) not in self._followed:
            self._follow(value, _UNKNOWN_ARGUMENTS, scope, self._place(node, scope))

    def _comprehension(self, loops: list[ast.comprehension], each: list[ast.expr], scope: _Scope) -> None:
        if not loops:
            for one in each:
                self._visit(one, scope)
            return
        first, *others = loops
        self._visit(first.iter, scope)

        def body() -> None:
            for condition in first.ifs:
                self._visit(condition, scope)
            self._comprehension(others, each, scope)

        self._loop(first.target, first.iter, scope, body)

    def _call(self, call: ast.Call, scope: _Scope) -> None:
        called = self._value(call.func, scope)
        if isinstance(call.func, ast.Attribute):
            self._visit(call.func.value, scope)
        elif called is None:
            self._visit(call.func, scope)
        for one in (*call.args, *(keyword.value for keyword in call.keywords)):
            self._visit(one, scope)
        for one in _alternatives(called):
            if isinstance(one, _Function):
                self._follow(one, call, scope, self._place(call, scope))
            elif isinstance(one, _Execute):
                self._execute(call, scope)
        if called is None and isinstance(call.func, ast.Attribute):
            self._method(call, call.func, scope)

    def _execute(self, call: ast.Call, scope: _Scope) -> None:
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        for value in _alternatives(self._value(given[0], scope)) if given else ():
            self._add(value if isinstance(value, Text) else None, self._place(given[0], scope))

    def _method(self, call: ast.Call, func: ast.Attribute, scope: _Scope) -> None:
        of = scope.get(func.value.id) if isinstance(func.value, ast.Name) else None
        if any(isinstance(one, tuple) for one in _alternatives(of)):
            assert isinstance(func.value, ast.Name)
            self._change(func.value.id, of, call, func.attr, scope)
            return

        def texts(node: Any) -> list[str | None]:
            value = self._value(node, scope) if isinstance(node, ast.expr) else None
            return [one.said if isinstance(one, Text) else None for one in _listed(value)]

        told = operation(call, texts, of if isinstance(of, ast.Call) else None)
        if told is not None:
            sql, sure = told
            place = self._place(call, scope)
            self.found.append(Run(Text(sql, place), place, func.attr, sure, self._claimed))

    def _change(self, name: str, of: Any, call: ast.Call, how: str, scope: _Scope) -> None:
        """Take over what a method does to the list that *name* stands for."""
        if how == "append" and len(call.args) == 1:
            more = (self._value(call.args[0], scope),)
            scope.put(name, _either([one + more if isinstance(one, tuple) else None for one in _alternatives(of)]))
        elif how not in ("copy", "count", "index"):
            scope.put(name, None)

    def _add(self, text: Text | None, place: Position) -> None:
        sure = text is not None and UNKNOWN not in text.said
        self.found.append(Run(text, place if text is None else text.place, None, sure, self._claimed))

    def _place(self, node: ast.expr, scope: _Scope) -> Position:
        """Return where *node* stands; what hangs on a function's own names stands where that is called."""
        names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        return self._file.place(node) if scope.place is None or not names & scope.names.keys() else scope.place

    # -- functions -----------------------------------------------------------------------------------------------------

    def _follow(self, function: _Function, call: ast.Call, scope: _Scope, place: Position | None) -> None:
        """Follow *function* as *call* calls it, which stands at *place*."""
        self._followed.add(id(function.node))
        if function.node in self._inside:  # it calls itself
            self._add(None, place or self._file.place(function.node))
            return
        inner = _Scope(self._arguments(function, call, scope), function.scope, place)
        self._inside.append(function.node)
        if isinstance(function.node, ast.Lambda):
            self._visit(function.node.body, inner)
        else:
            self._block(function.node.body, inner)
        self._inside.pop()

    def _arguments(self, function: _Function, call: ast.Call, scope: _Scope) -> dict[str, Any]:
        """Return the values of a function's parameters."""
        takes = function.node.args
        names = [one.arg for one in (*takes.posonlyargs, *takes.args)]
        given: list[Any] = []
        sure = True  # whether what is given by place is known to be all
        for one in call.args:
            if isinstance(one, ast.Starred):
                spread = self._value(one.value, scope)
                sure = sure and isinstance(spread, tuple)
                given += spread if isinstance(spread, tuple) else ()
            elif sure:
                given.append(self._value(one, scope))
        found: dict[str, Any] = dict(zip(names, given, strict=False))
        if takes.vararg is not None:
            found[takes.vararg.arg] = tuple(given[len(names) :]) if sure else None
        for keyword in call.keywords:
            if keyword.arg is not None:
                found[keyword.arg] = self._value(keyword.value, scope)
        sure = sure and all(keyword.arg is not None for keyword in call.keywords)
        missing = dict(zip(reversed(names), reversed(takes.defaults), strict=False))
        missing |= {one.arg: value for one, value in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if value}
        for name, default in missing.items():
            if name not in found and sure:
                found[name] = self._value(default, function.scope)
        return dict.fromkeys((*names, *(one.arg for one in takes.kwonlyargs))) | found

    # -- values --------------------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr, scope: _Scope) -> Any:
        """Return what *node* comes to, as far as that is written down."""
        match node:
            case ast.Constant(value=str()):
                return self._file.literal(node)
            case ast.Name(id=name):
                value = scope.get(name)
                if value is None and name in _EXECUTES:
                    return _Execute()
                return _either([self._placed(one, node, scope) for one in _alternatives(value)])
            case ast.Attribute(attr=name) if name in _EXECUTES:
                return _Execute()
            case ast.JoinedStr(values=values):
                return self._joined(node, values, scope)
            case ast.BinOp(op=ast.Add()):
                return self._added(node, scope)
            case ast.Call():
                return self._called(node, scope)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return self._tuple(elements, scope)
            case ast.IfExp(body=one, orelse=other):
                return _either([self._value(one, scope), self._value(other, scope)])
            case ast.BoolOp(values=values):
                return _either([self._value(one, scope) for one in values])
            case ast.FormattedValue(value=inner) | ast.NamedExpr(value=inner) | ast.Await(value=inner):
                return self._value(inner, scope)
            case ast.Lambda():
                return _Function(node, scope)
        return None

    def _placed(self, value: Any, node: ast.expr, scope: _Scope) -> Any:
        return Text(value.said, self._place(node, scope)) if isinstance(value, _Named) else value

    def _joined(self, node: ast.expr, parts: Iterable[ast.expr], scope: _Scope) -> Text:
        values = [self._value(one, scope) for one in parts]
        said = "".join(one.said if isinstance(one, Text) else UNKNOWN for one in values)
        return Text(said, self._place(node, scope))

    def _added(self, node: ast.BinOp, scope: _Scope) -> Any:
        parts: list[ast.expr] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp) and isinstance(first.op, ast.Add):  # it nests as deep as it is long
            parts.append(first.right)
            first = first.left
        parts = [first, *reversed(parts)]
        values = [self._value(one, scope) for one in parts]
        if all(isinstance(one, tuple) for one in values):
            return tuple(one for value in values for one in value)
        return self._joined(node, parts, scope) if any(isinstance(one, Text) for one in values) else None

    def _tuple(self, elements: Iterable[ast.expr], scope: _Scope) -> tuple[Any, ...] | None:
        found: list[Any] = []
        for one in elements:
            value = self._value(one.value if isinstance(one, ast.Starred) else one, scope)
            if isinstance(one, ast.Starred) and not isinstance(value, tuple):
                return None
            found += value if isinstance(one, ast.Starred) else (value,)
        return tuple(found)

    def _called(self, call: ast.Call, scope: _Scope) -> Any:
        """Return what a call comes to, where it leaves the words of a text as they are."""
        name = method(call)
        of = call.func.value if isinstance(call.func, ast.Attribute) else None
        if of is None and scope.get(name) is not None:
            return None
        if (name in ("text", "DDL") or (name == "f" and of is not None)) and call.args:
            return self._value(call.args[0], scope)
        if name in MOVES:
            for one in (of, *call.args[:1]):
                values = _alternatives(self._value(one, scope)) if one is not None else ()
                if any(isinstance(value, Text) for value in values):
                    return _either([value.moved(name) if isinstance(value, Text) else None for value in values])
        return None


def _is(name: str, kind: str) -> bool:
    """Tell whether it is a function that Alembic calls: upgrade(), or upgrade_x() where there are several databases."""
    return name == kind or name.startswith(f"{kind}_")


def _reached(functions: Mapping[str, ast.AST], first: Iterable[str]) -> set[ast.AST]:
    """Return which of *functions* are named by the *first*, or by those that these name."""
    found: set[ast.AST] = set()
    names = list(first)
    while names:
        function = functions[names.pop()]
        if function not in found:
            found.add(function)
            names += [one.id for one in ast.walk(function) if isinstance(one, ast.Name) and one.id in functions]
    return found


def _batch(node: ast.expr) -> ast.Call | None:
    return node if isinstance(node, ast.Call) and method(node) == "batch_alter_table" else None


def _unplaced(value: Any) -> Any:
    return _Named(value.said) if isinstance(value, Text) else value


def _alternatives(value: Any) -> tuple[Any, ...]:
    return value.values if isinstance(value, _Either) else (value,)


def _either(values: Sequence[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    every = tuple(dict.fromkeys(one for value in values for one in _alternatives(value)))
    if all(isinstance(one, tuple) for one in every):
        longest = max(every, key=len)
        if all(longest[: len(one)] == one for one in every):  # to which something is added on one of the ways
            return longest
    return every[0] if len(every) == 1 else _Either(every) if len(every) <= _MOST_WAYS else None


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
