"""What lint says of what rlsguard itself generates: every part of it is the guard's, and can be skipped as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from guarding import load, small_bank
from lint.reading import MAP, read
from rlsguard.apply import generate
from rlsguard.render import as_one_file
from servers import Clone

pytestmark = pytest.mark.by_turns

ALL_OF_IT = MAP + "guard: {event_trigger: true}\n"


@pytest.fixture
def generated(template_db: Clone, tmp_path: Path) -> Path:
    """A folder with what `rlsguard generate` writes for the small bank."""
    db = small_bank(template_db)
    folder = tmp_path / "sql"
    folder.mkdir()
    with db.connect() as conn:
        for name, text in generate(conn, load(ALL_OF_IT)).items():
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_it_is_read_to_the_end_and_is_the_guards_own(generated: Path) -> None:
    linted = read(generated, text=ALL_OF_IT)
    kinds = {one.kind.id for one in linted.findings}
    # By hand all of it would be wrong: policies, triggers, roles and objects of the guard's. Nothing else is found.
    assert kinds == {"RG502", "RG504", "RG506", "RG508", "RG590"}
    assert linted.statements > 500


def test_it_is_skipped_if_asked_for_and_named(generated: Path, tmp_path: Path) -> None:
    skipped = read(generated, text=ALL_OF_IT, skip_generated=True)
    assert skipped.findings == ()
    assert {Path(one).name for one in skipped.skipped} == {one.name for one in generated.iterdir()}
    one_file = tmp_path / "V2__guard.sql"
    with_it = {one.name: one.read_text(encoding="utf-8") for one in generated.iterdir()}
    one_file.write_text(as_one_file(with_it), encoding="utf-8")
    assert read(one_file, text=ALL_OF_IT, skip_generated=True).findings == ()
    assert read(one_file, text=ALL_OF_IT).fails


def test_what_is_not_generated_is_not_skipped(generated: Path, tmp_path: Path) -> None:
    harm = generated / "950_more.sql"
    harm.write_text("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY;", encoding="utf-8")
    linted = read(generated, text=ALL_OF_IT, skip_generated=True)
    assert [one.kind.id for one in linted.findings] == ["RG501"]


def test_a_partition_that_the_same_migrations_guard_is_none_without(tmp_path: Path) -> None:
    child = "CREATE TABLE bank.trans_1 PARTITION OF bank.trans FOR VALUES IN (1);"
    guard = 'CREATE POLICY "!rlsguard" ON bank.trans_1 AS RESTRICTIVE USING (true);'
    file, later = tmp_path / "V1.sql", tmp_path / "V2.sql"
    file.write_text(child, encoding="utf-8")
    assert [one.kind.id for one in read(file).findings] == ["RG519"]
    later.write_text("-- psql -f apply.sql: everything in one transaction, or nothing.\n" + guard, encoding="utf-8")
    assert read(file, later, skip_generated=True).findings == ()
