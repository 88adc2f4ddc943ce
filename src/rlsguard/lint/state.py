"""What the statements before the one that is read have made of names, roles and relations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pglast import ast

from rlsguard.check.model import Finding
from rlsguard.datamap.model import DataMap, TableEntry
from rlsguard.lint.followed import Followed, followed
from rlsguard.lint.model import UNKNOWN, Script
from rlsguard.lint.tree import function_path, is_true, option, reads, role_name, strings
from rlsguard.names import QualifiedName

# What can end a finding later in the same migrations: ("view", name), ("role", name) and the like.
Ending = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that the migrations make, and through which protected rows can be read.

    Attributes:
        tables: the protected tables that its rows are of.
        kept: whether it keeps the rows, as a table or a materialised view does.
    """

    tables: frozenset[QualifiedName]
    kept: bool


class State:
    """The state of the migrations so far.

    Attributes:
        role: who acts, after SET ROLE; None for whoever runs the migrations.
        replica: whether ordinary triggers are silent.
        nologin: roles made here that cannot log in.
        unheld: roles made or changed here that no policy holds.
        owners: roles that were given a protected table here.
        body: what the function that is being made consists of.
        functions: what functions that were made here read of protected tables.
    """

    def __init__(self, datamap: DataMap | None, search_path: Iterable[str]) -> None:
        self.datamap = datamap
        self.followed = followed(datamap) if datamap is not None else Followed({}, {}, frozenset(), {}, frozenset())
        self.role: str | None = None
        self.replica = False
        self.nologin: set[str] = set()
        self.unheld: set[str] = set()
        self.owners: set[str] = set()
        self.findings: list[Finding] = []
        self.body: tuple[Any, ...] = ()
        self.functions: dict[QualifiedName, frozenset[QualifiedName]] = {}
        self.relations: dict[QualifiedName, Relation] = {}
        self.children: dict[QualifiedName, QualifiedName] = {}
        self._first_path = tuple(search_path)
        self._path = self._path_before = self._first_path
        self._names: dict[QualifiedName, QualifiedName] = {}
        self._gone: set[QualifiedName] = set()
        self._columns: dict[tuple[QualifiedName, str], str] = {}
        self._types: set[QualifiedName] = set()
        self._made: set[QualifiedName] = set()
        self._young: set[QualifiedName] = set()
        self._ended_by: dict[Ending, list[Finding]] = {}

    def begin(self, script: Script) -> None:
        """Start with the next file: it is run by a session of its own."""
        self._path = self._path_before = self._first_path
        self.role, self.replica = None, False
        self._young.clear()

    # -- names ---------------------------------------------------------------------------------------------------------

    def name(self, relation: ast.RangeVar) -> QualifiedName:
        """Return which relation is meant."""
        return self.named(relation.schemaname, relation.relname, temporary=relation.relpersistence == "t")

    def named(self, schema: str | None, name: str, *, temporary: bool = False) -> QualifiedName:
        """Return which relation is meant by *name*, which is looked for along search_path where *schema* is None."""
        if schema is not None:
            return QualifiedName(schema, name)
        if temporary or QualifiedName("pg_temp", name) in self._made:
            return QualifiedName("pg_temp", name)
        path = [one for one in self._path if one not in ("$user", "pg_catalog", "pg_temp")] or ["public"]
        for one in path:
            found = QualifiedName(one, name)
            if self.mapped(found) or self.of_paths(found) or found in self._made or found in self._names:
                return found
        return QualifiedName(path[0], name)

    def object(self, names: Any) -> QualifiedName | None:
        """Return which object is meant by a dotted name."""
        parts = strings(names)
        if not parts:
            return None
        return self.named(parts[-2] if len(parts) > 1 else None, parts[-1])

    def _was(self, name: QualifiedName) -> QualifiedName | None:
        """Return what the map calls the table that is now called *name*."""
        if name in self._names:
            return self._names[name]
        return None if name in self._gone else name

    # -- what the map says ---------------------------------------------------------------------------------------------

    def mapped(self, name: QualifiedName) -> TableEntry | None:
        """Return the map's entry of a table, whatever it is called by now."""
        was = self._was(name)
        return self.datamap.tables.get(was) if self.datamap is not None and was is not None else None

    def protected(self, name: QualifiedName) -> QualifiedName | None:
        """Return the protected table that *name* is, or is under; None if it is none."""
        above = self.children.get(name, name)
        entry = self.mapped(above)
        return entry.table if entry is not None and entry.paths else None

    def may_be_protected(self, name: QualifiedName) -> bool:
        """Tell whether a table is protected, or could be for all that is known: without a map, or without its name."""
        return self.datamap is None or UNKNOWN in name.name + name.schema or self.protected(name) is not None

    def young(self, name: QualifiedName) -> bool:
        """Tell whether a table was made in this very file, so that nothing guards it yet."""
        return name in self._young

    def made(self, name: QualifiedName) -> bool:
        """Tell whether a relation was made by these migrations."""
        return name in self._made

    def made_type(self, names: Any) -> bool:
        """Tell whether a type was made by these migrations."""
        return self.object(names) in self._types

    def of_paths(self, name: QualifiedName) -> QualifiedName | None:
        """Return the table by which paths go, that *name* is; None if none goes by it."""
        was = self._was(name)
        return was if was in self.followed.columns else None

    def column(self, table: QualifiedName, name: str) -> str:
        """Return what the map calls the column *name* of *table*, which is called as the map calls it."""
        return self._columns.get((table, name), name)

    def goes_by(self, name: QualifiedName, column: str) -> QualifiedName | None:
        """Return the table that *name* is, if a path goes by its column *column*."""
        table = self.of_paths(name)
        if table is None or self.column(table, column) not in self.followed.columns[table]:
            return None
        return table

    def behind(self, table: QualifiedName) -> list[QualifiedName]:
        """Return the tables whose rows show if those of *table* are gone, for their paths cross it."""
        return sorted(self.followed.crossed.get(table, frozenset()) & self.followed.open)

    def in_schema(self, schema: str) -> list[QualifiedName]:
        """Return the protected tables that are in *schema* by now."""
        tables = self.datamap.tables.values() if self.datamap is not None else ()
        now = {was: name for name, was in self._names.items()}
        here = [now.get(e.table, e.table) for e in tables if e.paths and (e.table not in self._gone or e.table in now)]
        return sorted(name for name in here if name.schema == schema)

    def held_to(self, role: str) -> frozenset[str]:
        """Return the purposes whose opt-outs hold a role that the map names."""
        if self.datamap is None or role not in self.datamap.roles:
            return frozenset()
        return frozenset(p for p in self.datamap.roles[role].purposes if self.datamap.purposes[p].opt_out)

    def exempt(self, role: str) -> bool:
        """Tell whether the map lets a role see what people refused."""
        return self.datamap is not None and role in self.datamap.exempt

    def known(self, role: str) -> bool:
        """Tell whether the map names a role."""
        return self.datamap is not None and (role in self.datamap.roles or role in self.datamap.exempt)

    # -- what is read --------------------------------------------------------------------------------------------------

    def sources(self, node: Any) -> frozenset[QualifiedName]:
        """Return the protected tables whose rows *node* reads, by whatever leads there."""
        found: set[QualifiedName] = set()
        for relation in reads(node):
            name = self.name(relation)
            protected = self.protected(name)
            if protected is not None:
                found.add(protected)
            elif name in self.relations:
                found |= self.relations[name].tables
        return frozenset(found)

    # -- findings ------------------------------------------------------------------------------------------------------

    def add(self, finding: Finding, ending: Ending | None) -> None:
        """Keep *finding*, until what *ending* names is mended."""
        self.findings.append(finding)
        if ending is not None:
            self._ended_by.setdefault(ending, []).append(finding)

    def end(self, ending: Ending) -> None:
        """Forget the findings that *ending* ends."""
        for finding in self._ended_by.pop(ending, ()):
            self.findings = [one for one in self.findings if one is not finding]

    # -- statements ----------------------------------------------------------------------------------------------------

    def apply(self, tree: Any) -> None:
        """Take over what a statement does to names, roles and relations."""
        match tree:
            case ast.VariableSetStmt():
                self._set(tree)
            case ast.TransactionStmt() if tree.kind.name in ("TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK"):
                self._path = self._path_before
            case ast.CreateStmt():
                self._make(self.name(tree.relation))
                self._under(tree)
            case ast.CreateTableAsStmt():
                self._copy(tree.into.rel, tree.query)
            case ast.SelectStmt() if tree.intoClause is not None:
                self._copy(tree.intoClause.rel, tree)
            case ast.ViewStmt():
                self._view(tree)
            case ast.InsertStmt():
                self._insert(tree)
            case ast.RenameStmt():
                self._rename(tree)
            case ast.AlterObjectSchemaStmt() if tree.relation is not None:
                old = self.name(tree.relation)
                self._call(old, QualifiedName(tree.newschema, old.name))
            case ast.AlterTableStmt():
                self._alter(tree)
            case ast.DropStmt():
                self._drop(tree)
            case ast.CreateRoleStmt() | ast.AlterRoleStmt():
                self._role(tree)
            case ast.CreateFunctionStmt():
                self._function(tree)
            case ast.AlterFunctionStmt() if option(tree.actions, "security") is not None:
                if not is_true(option(tree.actions, "security")):
                    self.end(("function", self.object(tree.func)))
            case ast.AlterOwnerStmt() if self._is_held(tree.newowner):
                self.end(("function", self.object(tree.object)))
            case ast.CreatePolicyStmt() if not tree.permissive and tree.policy_name.lstrip("!") == "rlsguard":
                self._guarded(self.name(tree.table))
            case ast.CreateEnumStmt() | ast.CompositeTypeStmt() | ast.CreateDomainStmt():
                self._type(tree)

    def _set(self, tree: Any) -> None:
        values = [str(one.val.sval) for one in tree.args or () if isinstance(getattr(one, "val", None), ast.String)]
        given = tree.kind.name == "VAR_SET_VALUE"
        match tree.name:
            case "search_path":
                self._path = tuple(values) if given else self._first_path
                if not tree.is_local:
                    self._path_before = self._path
            case "role" | "session_authorization":
                self.role = values[0] if given and values and values[0] != "none" else None
            case "session_replication_role":
                self.replica = given and values == ["replica"]
            case None:  # RESET ALL
                self._path = self._path_before = self._first_path
                self.replica = False

    @contextmanager
    def within(self, path: tuple[str, ...] | None) -> Iterator[None]:
        """Use *path* as search_path, if any, as a function does that sets it."""
        before, self._path = self._path, self._path if path is None else path
        try:
            yield
        finally:
            self._path = before

    def _make(self, name: QualifiedName) -> None:
        self._made.add(name)
        self._young.add(name)
        self.relations.pop(name, None)
        if name not in self._names:
            # One of this name that went before was another table.
            self._gone.discard(name)

    def _copy(self, relation: ast.RangeVar, query: Any) -> None:
        tables, name = self.sources(query), self.name(relation)
        self._make(name)
        if tables and self.protected(name) is None:
            self.relations[name] = Relation(tables, kept=True)

    def _view(self, tree: Any) -> None:
        tables, name = self.sources(tree.query), self.name(tree.view)
        self._make(name)
        if tables:
            self.relations[name] = Relation(tables, kept=False)

    def _insert(self, tree: Any) -> None:
        name = self.name(tree.relation)
        tables = self.sources(tree)
        if tables and self.protected(name) is None:
            before = self.relations.get(name)
            self.relations[name] = Relation(tables | (before.tables if before else frozenset()), kept=True)

    def _rename(self, tree: Any) -> None:
        kind = tree.renameType.name
        if kind in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"):
            old = self.name(tree.relation)
            self._call(old, QualifiedName(old.schema, tree.newname))
        elif kind == "OBJECT_COLUMN" and tree.relation is not None:
            name = self.name(tree.relation)
            table = self.of_paths(name) or (self._was(name) if self.mapped(name) else None)
            if table is not None:
                self._columns[table, tree.newname] = self._columns.pop((table, tree.subname), tree.subname)
        elif kind == "OBJECT_SCHEMA":
            for name in self._everything():
                if name.schema == tree.subname:
                    self._call(name, QualifiedName(tree.newname, name.name))

    def _everything(self) -> list[QualifiedName]:
        mapped = self.datamap.tables.keys() if self.datamap is not None else set()
        known = {*mapped, *self.followed.columns, *self._made, *self._names, *self.relations, *self.children}
        return sorted(known - (self._gone - self._names.keys()))

    def _call(self, old: QualifiedName, new: QualifiedName) -> None:
        """Let what was called *old* be called *new*."""
        was = self._was(old)
        fresh = old in self._young
        if was is not None and not fresh and (self.of_paths(old) is not None or self.mapped(old) is not None):
            self._names.pop(old, None)
            self._names[new] = was
            self._gone.add(old)
        else:
            self._names.pop(new, None)
            self._gone.discard(new)
        for kept in (self._made, self._young):
            if old in kept:
                kept.remove(old)
                kept.add(new)
        if old in self.relations:
            self.relations[new] = self.relations.pop(old)
        if old in self.children:
            self.children[new] = self.children.pop(old)
        if self.mapped(new) is not None:
            # What the map did not say of a table under a name of its beginnings, it says now.
            self.end(("table", old))
        if self.protected(new) is not None:
            self.end(("copy", old))

    def _alter(self, tree: Any) -> None:
        name = self.name(tree.relation)
        self._under(tree)
        for command in tree.cmds or ():
            match command.subtype.name:
                case "AT_SetRelOptions" if is_true(option(command.def_, "security_invoker")):
                    self.end(("view", name))
                case "AT_ChangeOwner":
                    self._owned(tree, name, command.newowner)

    def _owned(self, tree: Any, name: QualifiedName, owner: ast.RoleSpec) -> None:
        role = role_name(owner)
        if role is None:
            return
        if self.protected(name) is not None:
            self.owners.add(role)
        if self._is_held(owner):
            self.end(("view", name))

    def _is_held(self, owner: ast.RoleSpec) -> bool:
        role = role_name(owner)
        return role is not None and self.known(role) and not self.exempt(role)

    def _function(self, tree: Any) -> None:
        name = self.object(tree.funcname)
        if name is not None:
            with self.within(function_path(tree)):
                self.functions[name] = frozenset(table for one in self.body for table in self.sources(one))

    def _guarded(self, name: QualifiedName) -> None:
        self.end(("child", name))
        table = self.protected(name)
        for one in (table, *(hop for hop, crossing in self.followed.crossed.items() if table in crossing)):
            self.end(("type", one))

    def _type(self, tree: Any) -> None:
        if isinstance(tree, ast.CompositeTypeStmt):
            self._types.add(self.name(tree.typevar))
        elif name := self.object(tree.domainname if isinstance(tree, ast.CreateDomainStmt) else tree.typeName):
            self._types.add(name)

    def _under(self, tree: Any) -> None:
        for child, parent in every_child(self, tree):
            if self.protected(parent) is not None and self.mapped(child) is None:
                self.children[child] = self.children.get(parent, parent)

    def _drop(self, tree: Any) -> None:
        kind = tree.removeType.name
        if kind not in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"):
            for one in tree.objects if kind in ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE") else ():
                self.end(("function", self.object(one)))
            return
        for one in tree.objects:
            name = self.object(one)
            if name is None:
                continue
            self.relations.pop(name, None)
            self.children.pop(name, None)
            self._made.discard(name)
            self._young.discard(name)
            if self._names.pop(name, None) is None and self.of_paths(name) is None:
                self._gone.discard(name)
            for what in ("view", "table", "copy"):
                self.end((what, name))

    def _role(self, tree: Any) -> None:
        name = tree.role if isinstance(tree.role, str) else role_name(tree.role)
        if name is None:
            return
        makes = isinstance(tree, ast.CreateRoleStmt)
        login = option(tree.options, "canlogin")
        if makes and tree.stmt_type.name == "ROLESTMT_USER" and login is None:
            login = True
        if (makes or login is not None) and not is_true(login):
            self.nologin.add(name)
        elif login is not None:
            self.nologin.discard(name)
        if any(is_true(option(tree.options, one)) for one in ("superuser", "bypassrls", "isreplication")):
            self.unheld.add(name)


def every_child(state: State, tree: Any) -> Iterator[tuple[QualifiedName, QualifiedName]]:
    """Yield what *tree* puts under what: a partition or child, and its parent."""
    match tree:
        case ast.CreateStmt():
            for parent in tree.inhRelations or ():
                yield state.name(tree.relation), state.name(parent)
        case ast.AlterTableStmt():
            for command in tree.cmds or ():
                if command.subtype.name == "AT_AttachPartition":
                    yield state.name(command.def_.name), state.name(tree.relation)
                elif command.subtype.name == "AT_AddInherit":
                    yield state.name(tree.relation), state.name(command.def_)
