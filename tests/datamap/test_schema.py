"""The JSON Schema that editors use: current, and of one mind with the loader where it can be."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from rlsguard import datamap
from rlsguard.problems import MapError

POLICIES = Path(__file__).parents[2] / "policies"
BERKA = (POLICIES / "berka.yaml").read_text(encoding="utf-8")
VALIDATOR = Draft202012Validator(json.loads(datamap.json_schema()))


def objections(text: str) -> list[str]:
    """Return what the schema has against the map written in *text*."""
    yaml = YAML(typ="safe", pure=True)
    # An editor sees a date as the text it is.
    yaml.constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
    document: Any = yaml.load(StringIO(text))
    return sorted(error.message for error in VALIDATOR.iter_errors(document))


def test_the_schema_in_the_repository_is_the_current_one() -> None:
    written = (POLICIES / "datamap.schema.json").read_text(encoding="utf-8")
    assert written == datamap.json_schema(), (
        "run: python -c \"from rlsguard import datamap; print(datamap.json_schema(), end='')\""
        " > policies/datamap.schema.json"
    )


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(datamap.json_schema()))


def test_the_schema_takes_the_bank() -> None:
    assert BERKA.startswith("# yaml-language-server: $schema=datamap.schema.json\n")
    assert objections(BERKA) == []


GOOD = {
    "nothing but the version": "version: 1\n",
    "several paths of a kind": """
version: 1
subjects: {client: {table: bank.client, key: client_id}}
tables:
  bank.gift:
    holds: [personal, financial]
    subject: {client: {paths: [giver_id, [[a = bank.x.a, b = bank.x.b], client_id]]}}
    joint: all
    when_unknown: show
    existing_policies: keep_dormant
    audit: {redact: [note], hash: [account]}
guard: {bypass: marker}
""",
    "an audit switched off": """
version: 1
tables: {bank.district: {holds: [], audit: false}}
""",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_the_schema_and_the_loader_take(tmp_path: Path, text: str) -> None:
    assert objections(text) == []
    file = tmp_path / "map.yaml"
    file.write_text(text, encoding="utf-8")
    datamap.load(file)


BAD = {
    "another version": ("version: 1", "version: 2"),
    "no version": ("version: 1", "guard: {}"),
    "an unknown section": ("roles: ", "rolls: "),
    "an unknown key": ("opt_out: false", "optout: false"),
    "a wrong type": ("opt_out: false", 'opt_out: "no"'),
    "a wrong word": ("joint: any", "joint: some"),
    "nothing held": ("holds: [personal]", "hold: [personal]"),
    "a wrong content": ("holds: [personal]", "holds: [secret]"),
    "an exemption without a reason": ("reason: SOX 404 testing, ", ""),
    "an empty path": ("subject: {client: client_id}", "subject: {client: []}"),
    "a path that is a number": ("subject: {client: client_id}", "subject: {client: 7}"),
    "an audit that is a word": ("audit: true", "audit: always"),
    "an unknown key of an audit": ("audit: true", "audit: {redacted: [amount]}"),
}


@pytest.mark.parametrize(("old", "new"), BAD.values(), ids=BAD)
def test_the_schema_and_the_loader_refuse(tmp_path: Path, old: str, new: str) -> None:
    assert old in BERKA
    text = BERKA.replace(old, new, 1)
    assert objections(text)
    file = tmp_path / "map.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MapError):
        datamap.load(file)
