"""The plan: every object that must exist, as plain frozen data and in the order in which it is made.

Each unit has a `unit` name that stays the same from run to run, and names the `objects` that the
catalog must show once it has been applied (spelled as `sql/definitions.sql` spells them).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from rlsguard.catalog.model import Column, Type
from rlsguard.datamap.model import Joint
from rlsguard.names import QualifiedName


def _object(kind: str, name: QualifiedName, part: str = "") -> str:
    return f"{kind} {name.schema}.{name.name}" + (f" {part}" if part else "")


def guard(name: str) -> QualifiedName:
    """Return the name of an object in the guard's schema."""
    return QualifiedName("rlsguard", name)


def policy_view(name: str) -> QualifiedName:
    """Return the name of a view that policies ask: in a schema of its own, which nobody but the guard may look into."""
    return QualifiedName("rlsguard_views", name)


@dataclass(frozen=True, slots=True)
class Unit:
    """Something that is applied, or found already right, as a whole."""

    @property
    def unit(self) -> str:
        """The stable name under which the manifest keeps this unit."""
        raise NotImplementedError

    @property
    def objects(self) -> tuple[str, ...]:
        """The catalog objects that this unit makes."""
        raise NotImplementedError

    @property
    def table(self) -> QualifiedName | None:
        """The user's table that applying this unit locks, if any."""
        return None

    @property
    def detail(self) -> dict[str, Any]:
        """What the manifest notes beside the hashes: enough to undo this unit without the map."""
        return {}


@dataclass(frozen=True, slots=True)
class Roles(Unit):
    """The guard's five roles; `bypass` where the owner has BYPASSRLS."""

    bypass: bool

    @property
    def unit(self) -> str:
        return "roles"

    @property
    def objects(self) -> tuple[str, ...]:
        return tuple(f"role rlsguard_{name}" for name in ("owner", "nobody", "recorder", "auditor", "sealer"))


@dataclass(frozen=True, slots=True)
class GuardFile(Unit):
    """A file of the guard's own fixed SQL."""

    file: str
    made: tuple[str, ...]

    @property
    def unit(self) -> str:
        return f"guard {self.file}"

    @property
    def objects(self) -> tuple[str, ...]:
        return self.made


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """A row of rlsguard.subject."""

    kind: str
    table: QualifiedName
    key: str
    type: Type


@dataclass(frozen=True, slots=True)
class MapRows(Unit):
    """What the map says, as the guard's configuration rows."""

    subjects: tuple[SubjectRow, ...]
    purposes: tuple[tuple[str, bool, str], ...]
    roles: tuple[tuple[str, str], ...]
    exempt: tuple[tuple[str, str, date | None], ...]

    @property
    def unit(self) -> str:
        return "map"

    @property
    def objects(self) -> tuple[str, ...]:
        return ("rows rlsguard.map",)


@dataclass(frozen=True, slots=True)
class State(Unit):
    """Table and functions that hold who of one kind has opted out."""

    kind: str
    subject: QualifiedName
    key: Column

    @property
    def name(self) -> QualifiedName:
        """The state table."""
        return state_table(self.kind)

    @property
    def key_equality(self) -> str:
        """The schema of the `=` that compares keys; a key without one is refused before there is a plan."""
        return self.key.type.equality or "pg_catalog"

    @property
    def unit(self) -> str:
        return f"state {self.kind}"

    @property
    def objects(self) -> tuple[str, ...]:
        return state_objects(self.kind)


def state_objects(kind: str) -> tuple[str, ...]:
    """Return what makes up the state of a kind of subject."""
    table = state_table(kind)
    return (
        _object("relation", table),
        _object("policy", table, "guard"),
        _object("trigger", table, "append_only"),
        f"function rlsguard.key_{kind}(key text)",
        f"function rlsguard.change_{kind}(key text, of_purpose text, opted_out boolean)",
        f"function rlsguard.order_{kind}(keys text[], purposes text[])",
        f"function rlsguard.spellings_{kind}(key text)",
    )


def state_table(kind: str) -> QualifiedName:
    """Return the state table of a kind of subject."""
    return guard(f"opt_out_{kind}")


@dataclass(frozen=True, slots=True)
class HopColumns:
    """Columns of a hop table that the guard reads; `let_guard_in` where a policy must admit it by name."""

    table: QualifiedName
    columns: tuple[str, ...]
    let_guard_in: bool


@dataclass(frozen=True, slots=True)
class Grants(Unit):
    """What the guard may read of the user's tables to follow subject paths; `bypass`: whatever policies they have."""

    bypass: bool
    schemas: tuple[str, ...]
    type_schemas: tuple[str, ...]
    tables: tuple[HopColumns, ...]

    @property
    def unit(self) -> str:
        return "grants"

    @property
    def objects(self) -> tuple[str, ...]:
        return (
            *(f"usage {schema}" for schema in self.schemas),
            *(f"nobody's usage {schema}" for schema in self.type_schemas),
            *(f"{_object('grant', t.table)}.{column}" for t in self.tables for column in t.columns),
            *(_object("policy", t.table, "rlsguard hop") for t in self.tables if t.let_guard_in),
            *(() if self.bypass else (_object("policy", guard("hop_like"), "guard"),)),
        )

    @property
    def detail(self) -> dict[str, Any]:
        return {
            "kind": "grants",
            "schemas": list(self.schemas),
            "columns": [[t.table.schema, t.table.name, list(t.columns)] for t in self.tables],
        }


@dataclass(frozen=True, slots=True)
class JoinColumns:
    """One equality between two columns; `equality` is the schema of the `=` that compares them."""

    here: str
    there: str
    equality: str


@dataclass(frozen=True, slots=True)
class Step:
    """A hop with the columns it joins on; the `here` of the first step are in the guarded table."""

    table: QualifiedName
    joins: tuple[JoinColumns, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A subject path that has been checked against the catalog; `key_type` as `Type.sql` of the column at its end."""

    kind: str
    steps: tuple[Step, ...]
    key: str
    key_type: str
    key_equality: str
    joint: Joint

    @property
    def entry_columns(self) -> tuple[str, ...]:
        """The columns by which the route's view is looked up."""
        return tuple(j.there for j in self.steps[0].joins) if self.steps else ("subject_key",)

    @property
    def entry_equalities(self) -> tuple[str, ...]:
        """The schemas of the `=` that each of them is compared by."""
        return tuple(j.equality for j in self.steps[0].joins) if self.steps else (self.key_equality,)

    @property
    def columns_along(self) -> Iterator[tuple[Step, tuple[str, ...]]]:
        """The steps, and of each table the columns that are read."""
        for number, step in enumerate(self.steps):
            onward = self.steps[number + 1].joins if number + 1 < len(self.steps) else ()
            used = [*(j.there for j in step.joins), *(j.here for j in onward)]
            yield step, tuple(dict.fromkeys(used if onward else [*used, self.key]))

    @property
    def here_columns(self) -> tuple[str, ...]:
        """The guarded table's columns that the route starts from."""
        return tuple(j.here for j in self.steps[0].joins) if self.steps else (self.key,)


@dataclass(frozen=True, slots=True)
class View(Unit):
    """An owner-rights view along a route: what is `suppressed` from the reader, or who is `known` at all."""

    name: QualifiedName
    what: Literal["suppressed", "known"]
    route: Route

    @property
    def unit(self) -> str:
        return f"view {self.name.name}"

    @property
    def objects(self) -> tuple[str, ...]:
        return (_object("relation", self.name),)

    @property
    def detail(self) -> dict[str, Any]:
        return {"kind": "view", "view": self.name.name}


@dataclass(frozen=True, slots=True)
class Lookup:
    """One condition of a policy: the route's views, and what happens where it leads to nobody.

    Attributes:
        scans: queries mostly read many rows: compare with the whole list rather than look each row up.
    """

    route: Route
    suppressed: QualifiedName
    known: QualifiedName | None
    hide_unknown: bool
    scans: bool


@dataclass(frozen=True, slots=True)
class Before:
    """The row security of a table as it was before rlsguard."""

    row_security: bool
    force: bool


@dataclass(frozen=True, slots=True)
class Protection(Unit):
    """The policies of one table; `theirs` are the policies that it has of its own, sorted."""

    name: QualifiedName
    oid: int
    owner: str
    holds: tuple[str, ...]
    lookups: tuple[Lookup, ...]
    policy: str
    marker: bool
    baseline: bool
    present: bool
    owner_policy: bool
    before: Before
    theirs: tuple[str, ...]

    @property
    def unit(self) -> str:
        return f"protect {self.name}"

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies made."""
        extra = (
            ("rlsguard baseline", self.baseline),
            ("rlsguard present", self.present),
            ("rlsguard owner", self.owner_policy),
        )
        return (self.policy, *(name for name, made in extra if made))

    @property
    def objects(self) -> tuple[str, ...]:
        return (
            _object("row security", self.name),
            *(_object("policy", self.name, policy) for policy in self.policies),
        )

    @property
    def table(self) -> QualifiedName | None:
        return self.name

    @property
    def detail(self) -> dict[str, Any]:
        views = {look.suppressed.name for look in self.lookups}
        views |= {look.known.name for look in self.lookups if look.known is not None}
        return {
            "kind": "protect",
            "schema": self.name.schema,
            "table": self.name.name,
            "oid": self.oid,
            "policies": list(self.policies),
            "views": sorted(views),
            "row_security_before": self.before.row_security,
            "force_before": self.before.force,
        }


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of the audit; `rows` is the name of its transition table, if it brings one."""

    name: str
    events: tuple[str, ...]
    level: Literal["ROW", "STATEMENT"]
    function: Literal["hand_over_role", "audit_change", "audit_rows"]
    rows: Literal["inserted_rows", "deleted_rows"] | None = None


@dataclass(frozen=True, slots=True)
class AuditTriggers(Unit):
    """The audit of one table.

    Attributes:
        adder: who adds partitions, for whom the row triggers are then made; None where there are none to add.
    """

    name: QualifiedName
    oid: int
    triggers: tuple[Trigger, ...]
    redact: tuple[str, ...]
    hash: tuple[str, ...]
    adder: str | None

    @property
    def unit(self) -> str:
        return f"audit {self.name}"

    @property
    def objects(self) -> tuple[str, ...]:
        return (
            *(_object("trigger", self.name, trigger.name) for trigger in self.triggers),
            *(() if self.adder is None else (f"audit by {self.adder}",)),
        )

    @property
    def table(self) -> QualifiedName | None:
        return self.name

    @property
    def detail(self) -> dict[str, Any]:
        return {
            "kind": "audit",
            "schema": self.name.schema,
            "table": self.name.name,
            "oid": self.oid,
            "triggers": [trigger.name for trigger in self.triggers],
            "adder": self.adder,
        }


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a DBA should know before applying, and what to do about it."""

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that must exist for a map in a database. `units` are in the order of their making."""

    units: tuple[Unit, ...]
    bypass: bool
    notices: tuple[Notice, ...] = ()
