"""The reference page keeps its word: its examples load, and its errors are those that people get."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from guarding import BANK, apply, load
from rlsguard import datamap
from rlsguard.datamap import document
from rlsguard.problems import MapError
from servers import Database

PAGE = (Path(__file__).parents[2] / "docs" / "data-map.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
FROM_FILE, FROM_DATABASE = re.findall(r"^```\n(map\.yaml:.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

SUBJECTS = "subjects:\n  client: {table: bank.client, key: client_id}\n"
PURPOSES = "purposes: {marketing: {}, analytics: {}}\n"

WRONG_FILE = """\
version: 1
subjects:
  client: {tabel: bank.client, key: client_id}
purposes:
  marketing: {}
roles:
  campaign_app: [marketng]
tables:
  bank.client:
    holds: [personal]
    subject: {client: client_id}
    columns: {birth_number: user.demografic}
  trans: {holds: [finance], subject: {client: []}}
"""

WRONG_FOR_THE_DATABASE = """\
version: 1
subjects:
  client: {table: bank.clients, key: client_id}
purposes:
  marketing: {}
roles:
  campaign: [marketing]
tables:
  bank.client: {holds: [personal], subject: {client: client_id}}
  bank.acount: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}
  bank.trans: {holds: [financial], subject: {client: [acount_id = bank.disp.account_id, client_id]}}
"""


def whole(example: str) -> str:
    """Return a whole map around *example*, which may be a part of one."""
    if example.startswith("subject:"):
        example = f"bank.it: {{holds: [personal], {example.strip()}}}\n"
    if example.startswith("bank."):
        example = "tables:\n" + textwrap.indent(example, "  ")
    for section, text in (("version:", "version: 1\n"), ("subjects:", SUBJECTS), ("purposes:", PURPOSES)):
        if not re.search(f"^{section}", example, re.MULTILINE):
            example = text + example
    return example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_examples_load(example: str) -> None:
    load(whole(example))


def test_each_key_has_its_line() -> None:
    for model in (
        document.MapDocument,
        document.SubjectDocument,
        document.PurposeDocument,
        document.ExemptionDocument,
        document.WaiverDocument,
        document.TableDocument,
        document.AuditDocument,
        document.GuardDocument,
    ):
        for key in model.model_fields:
            assert re.search(rf"^\| `(?:\S+\.)?{key}[`.]", PAGE, re.MULTILINE), key


def test_the_errors_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(WRONG_FILE)
    with pytest.raises(MapError) as caught:
        datamap.load("map.yaml")
    assert f"{caught.value}\n" == FROM_FILE


def test_the_errors_that_need_the_database(db: Database) -> None:
    db.execute(BANK)
    with pytest.raises(MapError) as caught:
        apply(db, WRONG_FOR_THE_DATABASE)
    assert re.sub(r"^.*/(?=map\.yaml:)", "", str(caught.value), flags=re.MULTILINE) + "\n" == FROM_DATABASE


def test_which_types_count_as_one(db: Database) -> None:
    db.execute(BANK)
    db.execute("CREATE TABLE bank.person (id varchar(9) PRIMARY KEY)")
    db.execute("CREATE TABLE bank.letter (person text NOT NULL REFERENCES bank.person, client bigint NOT NULL)")
    start = (
        "version: 1\nsubjects: {person: {table: bank.person, key: id}, client: {table: bank.client, key: client_id}}\n"
    )
    apply(db, start + "tables: {bank.letter: {holds: [personal], subject: {person: person}}}\n")
    with pytest.raises(MapError, match=r"differ in type: bigint and integer$"):
        apply(db, start + "tables: {bank.letter: {holds: [personal], subject: {client: client}}}\n")
