"""Files -> DataMap: read, merge, check everything, and tell all that is wrong at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlsguard.datamap import nodes, references, wording
from rlsguard.datamap.document import AuditDocument, MapDocument, TableDocument
from rlsguard.datamap.model import Audit, DataMap, Exemption, Purpose, Role, Subject, TableEntry, Waiver
from rlsguard.datamap.paths import column_name, subject_paths, table_name
from rlsguard.names import QualifiedName
from rlsguard.problems import Location, MapError, Position, Problem, RlsguardError

_SECTIONS = ("subjects", "purposes", "roles", "exempt", "tables", "waivers")


def load(path: str | Path) -> DataMap:
    """Read a data map from a YAML file, or from a folder whose *.yaml and *.yml files are merged.

    Raises:
        MapError: the map is wrong; carries every problem found.
        RlsguardError: there is no such file, or it cannot be read.
    """
    problems: list[Problem] = []
    documents: list[nodes.Document] = []
    for file in _files(Path(path)):
        try:
            document = nodes.read(_text(file), str(file))
        except UnicodeDecodeError as error:
            place = nodes.after(error.object[: error.start].decode("utf-8-sig"), str(file))
            problems.append(Problem(place, (), f"this is not UTF-8: byte 0x{error.object[error.start]:02X}"))
            continue
        problems += document.problems
        if document.data is not None and not isinstance(document.data, dict):
            place = document.positions[()]
            problems.append(Problem(place, (), "a data map is a mapping that begins with version: 1"))
        elif document.data is not None:
            documents.append(document)
    data, positions = _merge(documents, problems)
    if documents:
        problems += [Problem(wording.nearest(at, positions), at, text) for at, text in references.problems(data)]
        try:
            checked = MapDocument.model_validate(data)
        except ValidationError as error:
            problems += wording.problems(error, positions)
    if problems:
        raise MapError(dict.fromkeys(problems))
    return _datamap(checked, positions)


def digest(path: Path) -> str:
    """Return the sha256 of a data map, in hex: that of its file, or of what `sha256sum *.yaml` prints in its folder.

    Raises:
        RlsguardError: it cannot be read.
    """
    try:
        found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in _files(path)}
    except OSError as error:
        raise RlsguardError(f"{path}: {error.strerror or error}") from error
    if not path.is_dir():
        return found[path.name]
    return hashlib.sha256("".join(f"{each}  {name}\n" for name, each in found.items()).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
    except OSError as error:
        raise RlsguardError(f"{path}: {error.strerror or error}") from error
    if not files:
        raise RlsguardError(f"{path}: there is no *.yaml file in this folder")
    return files


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RlsguardError(f"{file}: {error.strerror or error}") from error


def _merge(documents: list[nodes.Document], problems: list[Problem]) -> tuple[dict[str, Any], dict[Location, Position]]:
    """Put the files of a map together; what two of them say of the same thing becomes a problem."""
    data: dict[str, Any] = {}
    positions: dict[Location, Position] = {}
    for document in documents:
        for section, value in document.data.items():
            location = (section,)
            if section not in data:
                data[section] = dict(value) if isinstance(value, dict) else value
                continue
            both = isinstance(value, dict) and isinstance(data[section], dict)
            if section in _SECTIONS and both:
                for name, entry in value.items():
                    if name in data[section]:
                        first, second = positions[(section, name)], document.positions[(section, name)]
                        problems.append(Problem(second, (section, name), f"{name} is also in {first}"))
                    else:
                        data[section][name] = entry
            elif value != data[section]:
                first, second = positions[location], document.positions[location]
                problems.append(Problem(second, location, f"this contradicts {first}"))
        for at, place in document.positions.items():
            positions.setdefault(at, place)
    return data, positions


def _datamap(document: MapDocument, positions: dict[Location, Position]) -> DataMap:
    return DataMap(
        subjects={
            kind: Subject(kind, table_name(subject.table), column_name(subject.key), ("subjects", kind))
            for kind, subject in document.subjects.items()
        },
        purposes={
            name: Purpose(name, purpose.opt_out, purpose.description, ("purposes", name))
            for name, purpose in document.purposes.items()
        },
        roles={name: Role(name, tuple(purposes), ("roles", name)) for name, purposes in document.roles.items()},
        exempt={
            name: Exemption(name, exemption.reason, exemption.until, ("exempt", name))
            for name, exemption in document.exempt.items()
        },
        tables=dict(_entry(name, entry) for name, entry in document.tables.items()),
        waivers={
            finding: Waiver(finding, waiver.reason, waiver.owner, waiver.until, ("waivers", finding))
            for finding, waiver in document.waivers.items()
        },
        bypass=document.guard.bypass,
        event_trigger=document.guard.event_trigger,
        positions=positions,
    )


def _entry(name: str, entry: TableDocument) -> tuple[QualifiedName, TableEntry]:
    table, location = table_name(name), ("tables", name)
    paths = [
        path
        for kind, value in entry.subject.items()
        for path in subject_paths(kind, value, (*location, "subject", kind))
    ]
    return table, TableEntry(
        table=table,
        holds=tuple(entry.holds),
        paths=tuple(paths),
        joint=entry.joint,
        when_unknown=entry.when_unknown,
        reads=entry.reads,
        existing_policies=entry.existing_policies,
        columns={column_name(column): category for column, category in entry.columns.items()},
        audit=None if entry.audit is None else _audit(entry.audit, (*location, "audit")),
        location=location,
    )


def _audit(audit: AuditDocument, location: Location) -> Audit:
    return Audit(
        redact=tuple(column_name(column) for column in audit.redact),
        hash=tuple(column_name(column) for column in audit.hash),
        location=location,
    )
