"""What lint says of what rlsguard itself writes: one finding a file, or nothing where that is to be skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from guarding import load, small_bank
from lint.reading import MAP, read
from migrate.bank_project import STAGES, Project
from rlsguard.apply import apply, generate
from rlsguard.lint.model import Linted, Skipped
from rlsguard.migrate import find_migration
from rlsguard.migrate.model import Migration
from rlsguard.migrate.steps import Settings
from rlsguard.migrate.write import FORMATS
from rlsguard.migrate.write.alembic import Place, write_revisions
from rlsguard.migrate.written import find_written
from rlsguard.problems import Position
from rlsguard.render import as_one_file
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

ALL_OF_IT = MAP + "guard: {event_trigger: true}\n"
# By hand all of it would be wrong: policies, triggers, roles and objects of the guard's. Nothing else is found.
BY_HAND = {"RG502", "RG504", "RG506", "RG508", "RG590"}


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


@pytest.fixture
def migration(template_db: Clone, tmp_path: Path) -> Migration:
    """A migration that guards the small bank, in several transactions."""
    map_path = tmp_path / "map.yaml"
    map_path.write_text(ALL_OF_IT, encoding="utf-8")
    with small_bank(template_db).connect() as conn:
        delta = apply(conn, load(ALL_OF_IT), dry_run=True)
    return find_migration(delta, load(ALL_OF_IT), map_path, Settings())


def kinds(linted: Linted) -> set[str]:
    return {one.kind.id for one in linted.findings}


def skipped(linted: Linted) -> set[str]:
    return {Path(one.place.file).name for one in linted.skipped}


def written(migration: Migration, name: str, folder: Path) -> None:
    """Write the files of *migration* for the tool *name* into *folder*."""
    folder.mkdir()
    if name == "sqitch":
        (folder / "sqitch.plan").write_text("%syntax-version=1.0.0\n%project=bank\n\n", encoding="utf-8")
    for file, text in FORMATS[name](migration, "opt-outs hide rows", folder).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")


def test_what_generate_writes_is_read_to_the_end_and_told_once_a_file(generated: Path) -> None:
    linted = read(generated, text=ALL_OF_IT)
    assert kinds(linted) == {"RG529"}
    assert len(linted.findings) == len({one.about for one in linted.findings})
    assert linted.statements > 500
    # Without its beginning it is as any other.
    (generated / "apply.sql").write_text("SELECT 1;", encoding="utf-8")
    assert kinds(read(generated, text=ALL_OF_IT)) == BY_HAND
    assert read(generated, text=ALL_OF_IT, skip_generated=True).skipped == ()


def test_it_is_skipped_if_asked_for_and_named(generated: Path, tmp_path: Path) -> None:
    linted = read(generated, text=ALL_OF_IT, skip_generated=True)
    assert linted.findings == ()
    assert skipped(linted) == {one.name for one in generated.iterdir()}
    assert all(one.whole for one in linted.skipped)
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
    for first in ("-- psql -f apply.sql: everything in one transaction, or nothing.\n", "-- Made by rlsguard 0.1.0\n"):
        later.write_text(first + guard, encoding="utf-8")
        assert read(file, later, skip_generated=True).findings == ()


@pytest.mark.parametrize("name", FORMATS)
def test_migrations_of_each_tool(name: str, migration: Migration, tmp_path: Path) -> None:
    written(migration, name, tmp_path / "project")
    _told_once(tmp_path / "project")


def test_revisions(migration: Migration, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", "postgresql://")
    write_revisions(migration, "opt-outs hide rows", Place(project.folder / "alembic.ini"), None)
    _told_once(project.folder / "migrations")


def _told_once(folder: Path) -> None:
    """Each file of a migration is one finding, though all of it is read; or none."""
    linted = read(folder, text=ALL_OF_IT)
    assert kinds(linted) == {"RG529"}
    assert len({one.position.file for one in linted.findings if one.position}) == len(linted.findings)
    assert linted.statements > 500
    without = read(folder, text=ALL_OF_IT, skip_generated=True)
    assert without.findings == ()
    assert skipped(without) == {one.position.file.rpartition("/")[2] for one in linted.findings if one.position}
    for file in folder.rglob("*.*"):
        if file.suffix in (".sql", ".py"):
            file.write_text(file.read_text(encoding="utf-8").replace("Made by rlsguard", "Made by"), encoding="utf-8")
    assert kinds(read(folder, text=ALL_OF_IT, skip_generated=True)) == BY_HAND


def test_changes_that_the_guard_was_put_around_are_nobody_elses(template_db: Clone, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(ALL_OF_IT, encoding="utf-8")
    changes = tmp_path / "changes.sql"
    # The first is one that Liquibase would read as something else.
    changes.write_text(
        "COMMENT ON TABLE bank.client IS '${x}';\nALTER TABLE bank.client ALTER client_id TYPE bigint;\n"
        "ALTER TABLE bank.disp ALTER client_id TYPE bigint;\nGRANT TRUNCATE ON bank.trans TO campaign_app;\n",
        encoding="utf-8",
    )
    with small_bank(template_db, ALL_OF_IT).connect() as conn:
        found = find_written(conn, load(ALL_OF_IT), tmp_path / "map.yaml", changes, changes, Settings())
    project = Project(tmp_path / "project", "postgresql://")
    folders = [project.folder / "migrations"]
    write_revisions(found, "keys", Place(project.folder / "alembic.ini"), None)
    for name in FORMATS:
        folders.append(tmp_path / name)
        written(found, name, tmp_path / name)
    for folder in folders:
        linted = read(folder, text=ALL_OF_IT, skip_generated=True)
        assert kinds(linted) == {"RG521"}, folder
        (skipped,) = linted.skipped
        assert (skipped.whole, skipped.statements > 50) == (False, True)
        assert kinds(read(folder, text=ALL_OF_IT)) == {"RG521", "RG529"}


def test_what_autogenerate_adds_to_a_revision(db: Database, tmp_path: Path) -> None:
    db.execute("CREATE SCHEMA bank; CREATE ROLE campaign_app; CREATE ROLE teller_app")
    info = db.conn.info
    project = Project(tmp_path, f"postgresql+psycopg://{info.user}@/{info.dbname}?host={info.host}&port={info.port}")
    made, retyped = STAGES[4], STAGES[6]
    project.revise(made)
    project.upgrade()
    text = project.revise(retyped)
    (file,) = (one for one in (tmp_path / "migrations" / "versions").glob("*.py") if "bigint" in one.name)

    def found(text: str, *, skip: bool = True) -> list[str]:
        file.write_text(text, encoding="utf-8")
        return [one.about for one in read(file, text=retyped.map, skip_generated=skip).findings]

    # Another type is no question where the guard was taken off, and is on again.
    assert found(text) == []
    assert found(text, skip=False) == [f"guard in {file.name}"]
    (skipped,) = read(file, text=retyped.map, skip_generated=True).skipped
    assert (skipped.whole, skipped.statements > 50) == (False, True)
    # The rest is read as ever: the project's own changes, and calls of run() that are not announced.
    harm = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY"
    up, down = text.split("def downgrade()")
    before, column, after = up.rpartition("    op.alter_column(")
    for how in ("run", "op.execute"):
        text_with_it = f'{before}    {how}("{harm}")\n{column}{after}def downgrade(){down}'
        assert found(text_with_it) == [f"table bank.trans in {file.name}"]
    assert f'policy "!rlsguard" on bank.client in {file.name}' in found(text.replace("# rlsguard: ", "# "))


UPGRADE = """from alembic import op


def upgrade() -> None:
    {}
"""
RUN = """
    context = op.get_context()

    def run(statement: str) -> None:
        op.execute(statement)

    run('DROP POLICY "!rlsguard" ON bank.trans')
    run("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY")
    run("ALTER ROLE campaign_app BYPASSRLS")
"""
SAID = ["RG502", "RG501", "RG507"]


@pytest.mark.parametrize(
    ("body", "read_of_it"),
    [
        ("# Made by rlsguard 0.1.0\n" + RUN, []),
        ('"""Docs."""\n\n    # Made by rlsguard 0.1.0 from map.yaml,\n    # for bank.\n' + RUN, []),
        ('"""Docs."""\n    # For bank.\n    # Made by rlsguard 0.1.0 from map.yaml.\n' + RUN, []),
        ('"""\n    # Made by rlsguard 0.1.0\n    """' + RUN, SAID),
        ("pass\n    # Made by rlsguard 0.1.0\n" + RUN, SAID),
        ("# rlsguard: protect bank.trans\n" + RUN, []),
        ('op.get_bind()\n    # rlsguard: protect bank.trans\n    # rlsguard: create map\n' + RUN, []),
        ("# rlsguard: protect bank.trans\n    pass\n" + RUN, SAID),
        ("# rlsguard: x\n" + RUN.replace("    run('DROP", "    other = 1\n    run('DROP"), SAID),
        ("# rlsguard: x\n" + RUN.replace('    run("ALTER ROLE', '    print()\n    run("ALTER ROLE'), ["RG507"]),
        ("# rlsguard: x\n" + RUN.replace('run("ALTER ROLE', 'op.execute("ALTER ROLE'), ["RG507"]),
        ("# rlsguard: x\n" + RUN.replace('run("ALTER TABLE', 'x = run("ALTER TABLE'), ["RG501", "RG507"]),
        ("# rlsguard: x\n    pass\n    # rlsguard: y\n" + RUN, []),
        ('"# rlsguard: x"\n' + RUN, SAID),
    ],
)  # fmt: skip
def test_what_of_a_revision_is_skipped(body: str, read_of_it: list[str], tmp_path: Path) -> None:
    file = tmp_path / "r.py"
    file.write_text(UPGRADE.format(body), encoding="utf-8")
    assert [one.kind.id for one in read(file, skip_generated=True).findings] == read_of_it


HARM = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY;\n"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("-- Made by rlsguard 0.1.0 from map.yaml\n", 1),
        ("\ufeff\\encoding UTF8\r\n\\set ON_ERROR_STOP on\r\n-- Made by rlsguard 0.1.0\r\n", 3),
        ("--liquibase formatted sql logicalFilePath:a.sql\n\n-- Made by rlsguard 0.1.0\n\n--changeset a:b\n", 3),
        ("-- Deploy bank:guard to pg\n-- Made by rlsguard 0.1.0\nBEGIN;\n", 2),
        ("SELECT 1;\n-- Made by rlsguard 0.1.0\n", None),
        ("SELECT '\n-- Made by rlsguard 0.1.0\n';\n", None),
        ("\\i other.sql\n-- Made by rlsguard 0.1.0\n", None),
        ("/* \n-- Made by rlsguard 0.1.0\n*/\n", None),
        ("-- Not Made by rlsguard 0.1.0\n", None),
    ],
)
def test_a_file_says_it_before_its_first_statement(head: str, line: int | None, tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_text(head + HARM, encoding="utf-8", newline="")
    linted = read(file, skip_generated=True)
    statements = 2 if "BEGIN" in head else 1
    assert linted.skipped == (() if line is None else (Skipped(Position(str(file), line, 1), statements, whole=True),))
    assert ("RG501" in kinds(linted)) == (line is None)
    # Nobody is believed who is not to be skipped.
    assert "RG501" in kinds(read(file))
