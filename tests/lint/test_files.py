"""Which files are read, in which order, what of them is SQL, and what is told of those that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lint.reading import read, said
from rlsguard.check.migrated import by_number
from rlsguard.lint.model import SqlError
from rlsguard.problems import RlsguardError

OFF = "DISABLE ROW LEVEL SECURITY"
RENAME = "ALTER TABLE bank.trans RENAME TO movement;"
THEN_OFF = f"ALTER TABLE bank.movement {OFF};"


def write(folder: Path, **files: str) -> Path:
    """Write files, `__` standing for a dot and `___` for a slash; those without an ending are SQL."""
    for name, text in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path = path if path.suffix in (".sql", ".py", ".plan") else path.with_name(f"{path.name}.sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def kinds(*paths: Path, **options) -> list[str]:
    return [one.kind.id for one in read(*paths, **options).findings]


@pytest.mark.parametrize(
    "names",
    [
        ("V2_rename", "V10_off"),
        ("2_a", "10_b"),
        ("2024_01_a", "2024_02_b"),
        ("a___1", "a___2"),
        ("1_a__up", "2_b__up"),
        # Supabase, dbmate.
        ("supabase___migrations___20261126093000_b", "supabase___migrations___20261126093001_a"),
    ],
)
def test_the_files_of_a_folder_run_in_the_order_of_their_numbers(tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = names
    assert kinds(write(tmp_path, **{first: RENAME, second: THEN_OFF})) == ["RG515", "RG501"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("V20261126093000_02__b", "V20261126093000_10__a"),
        ("V20261126093000_99__b", "V20261126093001_01__a"),
        ("V1__z", "V1_1__a"),
        ("V1.9__b", "V1.10__a"),
        ("V1__z", "V1.1__a"),
        ("z/V1__b", "a/V2__a"),
        ("z/V2__b", "a/R__a"),
    ],
)
def test_files_of_flyway_run_by_version(first: str, second: str, tmp_path: Path) -> None:
    for name, text in ((first, RENAME), (second, THEN_OFF)):
        file = tmp_path / f"{name}.sql"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.with_name(f"{file.name}.conf").write_text("placeholderReplacement=false\n", encoding="utf-8")
    assert kinds(tmp_path) == ["RG515", "RG501"]
    assert [file.stem for file in sorted(tmp_path.rglob("*.sql"), key=by_number)] == [
        Path(first).name,
        Path(second).name,
    ]


def test_a_changelog_of_liquibase(tmp_path: Path) -> None:
    text = f"""--liquibase formatted sql logicalFilePath:a.sql

-- changeset rlsguard:a-1 rollbackSplitStatements:true rollbackEndDelimiter:--;; stripComments:false endDelimiter:--;;
{RENAME}
--;;
ALTER TABLE bank.movement DISABLE ROW LEVEL SECURITY
--;;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '
--;;
' $$
--rollback ALTER TABLE bank.movement RENAME TO trans;
--rollback --;;
--rollback DROP TABLE bank.client;
--changeset bob:2 endDelimiter:/
ALTER TABLE bank.disp DISABLE ROW LEVEL SECURITY
/
SELECT 1
/ 2
/
/* liquibase rollback
DROP TABLE bank.disp;
*/
--changeset bob:3 runInTransaction:false
--comment indexes
CREATE INDEX CONCURRENTLY i ON bank.movement (amount)
--changeset bob:4
TRUNCATE bank.movement
"""
    assert places(tmp_path, "a.sql", text) == ["a.sql:4:1", "a.sql:6:1", "a.sql:15:1", "a.sql:27:1"]
    # To whoever else, these are comments.
    with pytest.raises(SqlError, match=r"a\.sql:8:1: syntax error at or near .CREATE."):
        places(tmp_path, "a.sql", text.replace("liquibase formatted", "formatted", 1))


def test_what_takes_back_is_not_read(tmp_path: Path) -> None:
    harm = f"ALTER TABLE bank.trans {OFF};"
    write(tmp_path, V1_a="SELECT 1;", U1_a=harm, b__down=harm, c_undo=harm)
    assert kinds(tmp_path) == []
    # Unless it is what is asked about.
    assert kinds(tmp_path / "b.down.sql") == ["RG501"]


def test_sqitch_says_which_changes_are_deployed_and_when(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "db",
        sqitch__plan="%syntax-version=1.0.0\n%project=bank\n\nz_rename 2026-01-01T00:00:00Z a <a@b> # first\n"
        "@v1 2026-01-01T00:00:00Z a <a@b> # a tag\na_off [z_rename] 2026-01-02T00:00:00Z a <a@b> # second\n",
        deploy___z_rename=RENAME,
        deploy___a_off=THEN_OFF,
        deploy___not_planned=f"ALTER TABLE bank.client {OFF};",
        revert___a_off="DROP TABLE bank.client;",
        verify___a_off="TRUNCATE bank.client;",
    )
    assert kinds(folder) == ["RG515", "RG501"]
    # A project within the folder as well; named by itself, a script is read.
    assert kinds(folder.parent) == ["RG515", "RG501"]
    assert kinds(folder / "revert" / "a_off.sql") == ["RG515"]


def test_a_change_that_sqitch_reworked(tmp_path: Path) -> None:
    write(
        tmp_path,
        sqitch__plan="%project=bank\n\nchange 2026-01-01T00:00:00Z a <a@b> # first\n@v1 2026-01-01T00:00:00Z a <a@b>\n"
        "@v2 2026-01-01T00:00:00Z a <a@b>\n\n +other 2026-01-01T00:00:00Z a <a@b>\n"
        "change [change@v2] 2026-01-02T00:00:00Z a <a@b>\n",
        deploy___change=THEN_OFF,
        deploy___other="SELECT 1",
    )
    (tmp_path / "deploy" / "change@v1.sql").write_text(RENAME, encoding="utf-8")
    linted = read(tmp_path)
    assert (linted.files, [one.kind.id for one in linted.findings]) == (3, ["RG515", "RG501"])


def test_files_that_are_named_one_by_one_run_in_their_order_too(tmp_path: Path) -> None:
    write(tmp_path, V2__rename=RENAME, V10__off=THEN_OFF)
    assert kinds(tmp_path / "V10.off.sql", tmp_path / "V2.rename.sql") == ["RG515", "RG501"]
    project = write(
        tmp_path / "db",
        sqitch__plan="%project=bank\n\nz_rename 2026-01-01T00:00:00Z a <a@b>\na_off 2026-01-01T00:00:00Z a <a@b>\n",
        deploy___z_rename=RENAME,
        deploy___a_off=THEN_OFF,
    )
    assert kinds(project / "deploy" / "a_off.sql", project / "deploy" / "z_rename.sql") == ["RG515", "RG501"]


def test_each_file_is_run_by_a_session_of_its_own(tmp_path: Path) -> None:
    write(
        tmp_path, V1="SET search_path = bank; SET session_replication_role = replica;", V2=f"ALTER TABLE trans {OFF};"
    )
    assert kinds(tmp_path) == []


def revision(number: str, after: str | None, body: str) -> str:
    return (
        f"from alembic import op\nrevision = {number!r}\ndown_revision = {after!r}\n\n\ndef upgrade():\n    {body}\n"
        "\n\ndef downgrade():\n    op.drop_table('client', schema='bank')\n"
    )


def test_revisions_run_in_the_order_of_their_chain(tmp_path: Path) -> None:
    write(
        tmp_path,
        z_first__py=revision("1", None, 'op.rename_table("trans", "movement", schema="bank")'),
        a_second__py=revision("2", "1", f"op.execute({THEN_OFF!r})"),
        env__py="raise SystemExit",
    )
    assert kinds(tmp_path) == ["RG515", "RG501"]
    # On another branch.
    text = revision("2", None, f"op.execute({THEN_OFF!r})")
    write(tmp_path, a_second__py=text.replace("down_revision", "depends_on = '1'\ndown_revision"))
    assert kinds(tmp_path) == ["RG515", "RG501"]


def test_a_revision_is_never_run(tmp_path: Path) -> None:
    write(tmp_path, a__py="import pathlib\npathlib.Path('made').touch()\nraise SystemExit(3)\n")
    assert kinds(tmp_path) == []
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ('op.drop_table("trans", BANK)', ["RG515 table bank.trans"]),
        ('op.drop_table(table_name="trans", BANK)', ["RG515 table bank.trans"]),
        ('op.drop_table("trans")', []),
        ('op.drop_column("disp", "client_id", BANK)', ["RG515 column bank.disp.client_id"]),
        ('op.alter_column("disp", "client_id", new_column_name="c", BANK)', ["RG515 column bank.disp.client_id"]),
        ('op.alter_column("disp", "client_id", type_=sa.BigInteger(), BANK)', ["RG517 column bank.disp.client_id"]),
        ('op.alter_column("disp", "client_id", nullable=True, BANK)', ["RG517 column bank.disp.client_id"]),
        ('op.alter_column("trans", "amount", type_=sa.Numeric(), BANK)', []),
        ('op.add_column("branch", sa.Column("email", sa.Text), BANK)', ["RG514 table bank.branch, column email"]),
        ('op.add_column("branch", sa.Column("email", sa.Boolean()), BANK)', []),
        ('op.create_table("card", sa.Column("d", sa.Integer, sa.ForeignKey("bank.disp.disp_id")))',
         ["RG514 table public.card"]),
        ('op.create_table("card", sa.Column("d"), sa.ForeignKeyConstraint(["d"], ["bank.disp.disp_id"]), schema="x")',
         ["RG514 table x.card"]),
        ('op.create_foreign_key("f", "disp", "client", ["client_id"], ["client_id"], onupdate="CASCADE",'
         ' source_schema="bank", referent_schema="bank")', ["RG517 foreign key of bank.disp.client_id"]),
        ('op.drop_constraint("disp_of", "disp", type_="foreignkey", BANK)', ["RG517 constraint disp_of of bank.disp"]),
        ('op.drop_constraint("amount_check", "trans", type_="check", BANK)', []),
        ('op.execute(f"ALTER TABLE {t} OFF")', ["RG501 table ?", "RG590 execute()"]),
        ('op.execute("ALTER TABLE bank.trans " + "OFF")', ["RG501 table bank.trans"]),
        ('op.execute(sa.text("ALTER TABLE bank.trans OFF"))', ["RG501 table bank.trans"]),
        ('op.get_bind().exec_driver_sql("ALTER TABLE bank.trans OFF")', ["RG501 table bank.trans"]),
        ("op.execute(make())", ["RG590 execute()"]),
        ('op.create_index("i", "trans", ["amount"], BANK)', []),
    ],
)  # fmt: skip
def test_operations_of_alembic(call: str, found: list[str], tmp_path: Path) -> None:
    text = revision("1", None, call.replace("BANK", 'schema="bank"').replace("OFF", OFF))
    assert said(text, tmp_path, name="r.py") == found


def places(tmp_path: Path, name: str, text: str) -> list[str]:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8", newline="")
    return [str(one.position).removeprefix(f"{tmp_path}/") for one in read(file).findings]


def test_places_are_those_of_the_statements(tmp_path: Path) -> None:
    off = f"ALTER TABLE bank.trans {OFF}"
    assert places(tmp_path, "a.sql", f"-- é\n  /* ü\n */ {off} ; SELECT 'é'; {off}") == ["a.sql:3:5", "a.sql:3:69"]
    assert places(tmp_path, "a.sql", f"SELECT 1;\r\n\r\n{off};") == ["a.sql:3:1"]
    body = f"DO $x$\nBEGIN\n    PERFORM 'é';\n    IF true THEN\n        {off};\n    END IF;\nEND\n$x$;"
    assert places(tmp_path, "a.sql", f"SELECT 1;\n{body}") == ["a.sql:6:9"]
    function = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$\n  SELECT 1;\n  {off};\n$$;"
    assert places(tmp_path, "a.sql", function) == ["a.sql:3:3"]
    python = (
        f'from alembic import op\n\n\ndef upgrade():\n    op.execute("""\n        SELECT 1;\n        {off};\n    """)\n'
    )
    assert places(tmp_path, "a.py", python) == ["a.py:7:9"]
    assert places(tmp_path, "a.py", f"def upgrade():\n    op.execute('{off}')\n") == ["a.py:2:17"]


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.sql", "SELECT 'ééé';\nSELEC 2".encode(), 'a.sql:2:1: syntax error at or near "SELEC"'),
        ("a.sql", b"SELECT 1;\nSELECT \0", "a.sql:2:8: SQL cannot have the character U+0000"),
        ("a.sql", b"SELECT 1;\n\xff", "a.sql:2:1: this is not UTF-8: byte 0xFF"),
        ("a.sql", b"SELECT 'x", 'a.sql:1:8: unterminated quoted string at or near "\'x"'),
        ("a.py", b"def f(:", "a.py:1:7: this is not Python: invalid syntax"),
        ("a.py", b'x = 1\nop.execute("""\n\n  SELEC""")', 'a.py:4:3: syntax error at or near "SELEC"'),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(name: str, data: bytes, error: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SqlError) as failed:
        read(tmp_path / name)
    assert str(failed.value).removeprefix(f"{tmp_path}/") == error


def test_every_file_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, a="SELEC", b="SELECT 1", c__py="(", d="'")
    with pytest.raises(SqlError) as failed:
        read(tmp_path)
    assert [Path(one.position.file).name for one in failed.value.problems] == ["a.sql", "c.py", "d.sql"]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RlsguardError, match=r"no\.sql: No such file"):
        read(tmp_path / "no.sql")
    with pytest.raises(RlsguardError, match=r"there is no \*\.sql or \*\.py file in this folder"):
        read(tmp_path)


def test_a_file_that_psql_reads_is_no_question_if_it_was_given(tmp_path: Path) -> None:
    write(tmp_path, a="\\ir 'b.sql'\n", b="SELECT 1;")
    assert kinds(tmp_path) == []
    assert kinds(tmp_path / "a.sql") == ["RG590"]


def test_without_its_parser_only_lint_is_missing(tmp_path: Path) -> None:
    """What reads SQL is an extra: other commands, and the list of them, need none."""
    code = """
import sys
sys.modules["pglast"] = None
from click.testing import CliRunner
from rlsguard.cli import rlsguard

def run(*arguments):
    result = CliRunner().invoke(rlsguard, arguments)
    return result.exit_code, result.output

assert "lint" in run("--help")[1]
assert run("lint", "--help")[0] == 0
print(*run("lint", "any.sql"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "lint reads SQL with pglast, which is not here: pip install 'rlsguard[lint]'" in done.stdout
    assert done.stdout.startswith("2 ")
