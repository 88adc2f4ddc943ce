"""The format of a data map, as pydantic models: what the JSON Schema for editors is made from."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from rlsguard.datamap.paths import UnreadableError, column_name, subject_paths, table_name

_KIND = re.compile(r"[a-z][a-z0-9_]{0,29}")
_PURPOSE = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_WAIVED = re.compile(r"RG[0-9]{3} \S.*", re.DOTALL)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def refuse(message: str, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """Return an error whose message is already in plain words."""
    return PydanticCustomError("rlsguard", "{message}", {"message": message, "at": at})


def _table(text: str) -> str:
    try:
        table_name(text)
    except UnreadableError as error:
        raise refuse(str(error)) from error
    return text


def _column(text: str) -> str:
    try:
        column_name(text)
    except UnreadableError as error:
        raise refuse(str(error)) from error
    return text


def _kind(text: str) -> str:
    if not _KIND.fullmatch(text):
        raise refuse(f"{text} cannot be a kind of subject: lower-case letters, digits and _, at most 30")
    return text


def _purpose(text: str) -> str:
    if not _PURPOSE.fullmatch(text):
        raise refuse(f"{text} cannot be a purpose: lower-case letters, digits, _, - and ., at most 63")
    return text


def _role(text: str) -> str:
    if not text or len(text.encode()) > 63 or "\0" in text:
        raise refuse("a role's name has 1 to 63 bytes")
    if text in ("public", "none") or text.startswith(("pg_", "rlsguard_")):
        raise refuse(f"role {text} cannot be mapped: it is not one that reads for a purpose")
    return text


def _waived(text: str) -> str:
    if not _WAIVED.fullmatch(text):
        raise refuse(f"{text} is no finding that could be waived: that is its id and its object, as check prints them")
    return text


def _some(text: str) -> str:
    if not text.strip():
        raise refuse("this must not be empty")
    return text


def _paths(value: Any) -> Any:
    try:
        list(subject_paths("", value, ()))
    except UnreadableError as error:
        raise refuse(str(error), error.at) from error
    return value


def _date(value: Any) -> Any:
    # JSON is YAML too, and there a date has quotes.
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return value
    return value


def _version(value: Any) -> Any:
    # Equality is not enough: True and 1.0 are equal to 1.
    if type(value) is not int or value != 1:
        raise refuse("this must be the number 1: no other version of the format is known")
    return value


def _audit(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return value


_PATH_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
        },
    ]
}
_PATHS_SCHEMA = {
    "anyOf": [
        *_PATH_SCHEMA["anyOf"],
        {
            "type": "object",
            "required": ["paths"],
            "additionalProperties": False,
            "properties": {"paths": {"type": "array", "minItems": 1, "items": _PATH_SCHEMA}},
        },
    ],
    "description": "A column; or hops `here = schema.table.there` and then the key column; or {paths: [...]}",
}

TableName = Annotated[str, AfterValidator(_table)]
ColumnName = Annotated[str, AfterValidator(_column)]
Kind = Annotated[str, AfterValidator(_kind)]
PurposeName = Annotated[str, AfterValidator(_purpose)]
RoleName = Annotated[str, AfterValidator(_role)]
WaivedFinding = Annotated[str, AfterValidator(_waived)]
Some = Annotated[str, AfterValidator(_some)]
Paths = Annotated[Any, AfterValidator(_paths), WithJsonSchema(_PATHS_SCHEMA)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SubjectDocument(_Strict):
    """A kind of person: the table that lists them and the column that identifies one."""

    table: TableName = Field(description="schema.table")
    key: ColumnName = Field(description="The column that identifies a person")


class PurposeDocument(_Strict):
    """Why a role reads."""

    opt_out: bool = Field(True, description="false where contract or law leaves people no choice")
    description: str = Field("", description="What the purpose is, for people")


class ExemptionDocument(_Strict):
    """A role that opt-outs do not hold."""

    reason: Some = Field(description="Why; auditors read it")
    until: Annotated[date | None, BeforeValidator(_date)] = Field(
        None, description="The last day of the exemption (UTC)"
    )


class WaiverDocument(_Strict):
    """A finding of rlsguard check that somebody answers for."""

    reason: Some = Field(description="Why it may stay; auditors read it")
    owner: Some = Field(description="Who answers for it")
    until: Annotated[date, BeforeValidator(_date)] = Field(description="The last day of the waiver (UTC)")


class AuditDocument(_Strict):
    """What the audit trigger must not keep."""

    redact: list[ColumnName] = Field(default_factory=list, description="Columns that are left out")
    hash: list[ColumnName] = Field(default_factory=list, description="Columns that are kept as a salted hash")


class TableDocument(_Strict):
    """What a table holds and how its rows lead to their people."""

    holds: list[Literal["personal", "financial"]] = Field(description="Empty: reviewed, about nobody")
    subject: dict[Kind, Paths] = Field(default_factory=dict, description="Kind of subject -> path to its key")
    joint: Literal["any", "all"] = Field(
        "any", description="Hide a row if any of its people opted out, or only if all did"
    )
    when_unknown: Literal["hide", "show"] | None = Field(None, description="What of a row that leads to nobody")
    reads: Literal["lookups", "scans"] = Field(
        "lookups", description="What the queries mostly do: find a few rows, or read many, in parallel"
    )
    existing_policies: Literal["wake", "keep_dormant"] | None = Field(
        None, description="Policies of a table whose row security is off: let them count, or not"
    )
    columns: dict[ColumnName, str] = Field(default_factory=dict, description="Column -> Fides data category")
    audit: Annotated[
        AuditDocument | None,
        BeforeValidator(_audit),
        WithJsonSchema({"anyOf": [{"type": "boolean"}, AuditDocument.model_json_schema()]}),
    ] = Field(None, description="Record row changes; or which columns to leave out of that")


class GuardDocument(_Strict):
    """How the guard is built."""

    bypass: Literal["attribute", "marker"] | None = Field(
        None, description="How the guard sees past hop tables' policies: BYPASSRLS, or a marker in them"
    )
    event_trigger: bool = Field(
        False, description="Refuse DDL that takes the guard off, and guard new partitions at once; needs a superuser"
    )


class MapDocument(_Strict):
    """A data map of rlsguard."""

    model_config = ConfigDict(title="rlsguard data map")

    version: Annotated[Literal[1], BeforeValidator(_version)]
    subjects: dict[Kind, SubjectDocument] = Field(default_factory=dict)
    purposes: dict[PurposeName, PurposeDocument] = Field(default_factory=dict)
    roles: dict[RoleName, list[str]] = Field(default_factory=dict, description="Database role -> its purposes")
    exempt: dict[RoleName, ExemptionDocument] = Field(default_factory=dict)
    tables: dict[TableName, TableDocument] = Field(default_factory=dict)
    waivers: dict[WaivedFinding, WaiverDocument] = Field(
        default_factory=dict, description="Finding of rlsguard check, as `RG206 publication feed` -> who answers for it"
    )
    guard: GuardDocument = GuardDocument(bypass=None, event_trigger=False)


def json_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a data map, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **MapDocument.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
