"""Migrations checked before they are run anywhere: SQL files and Alembic's, on a scratch server of the command's."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlsguard.cli import rlsguard

SHOP = """
CREATE SCHEMA shop;
CREATE TABLE shop.customer (customer_id int PRIMARY KEY, email text NOT NULL);
"""
PULL_REQUEST = """
CREATE TABLE shop.address (address_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES shop.customer);
"""
MAP = """\
version: 1
subjects:
  customer: {table: shop.customer, key: customer_id}
purposes:
  newsletter: {}
roles:
  newsletter_app: [newsletter]
tables:
  shop.customer: {holds: [personal], subject: {customer: customer_id}}
"""
ENTRY = "  shop.address: {holds: [personal], subject: {customer: customer_id}}\n"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine({url}).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def check(map_text: str, tmp_path: Path, *options: object, code: int, env: dict[str, str] | None = None) -> Result:
    file = tmp_path / "map.yaml"
    file.write_text(map_text)
    result = CliRunner().invoke(rlsguard, ["check", str(file), *map(str, options)], env=env)
    assert result.exit_code == code, result.output
    return result


def found(result: Result) -> list[tuple[str, str]]:
    return [(one["id"], one["object"]) for one in json.loads(result.stdout)["findings"]]


def sql_files(folder: Path, **files: str) -> Path:
    """Write files, whose names must be identifiers here: `__` stands for a dot, `V` before a number for nothing."""
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name.removeprefix('V').replace('__', '.')}.sql").write_text(text)
    return folder


def alembic(folder: Path, url: str, *migrations: str) -> Path:
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text(ENV.format(url=url))
    for number, text in enumerate(migrations, start=1):
        (versions / f"{number}.py").write_text(
            textwrap.dedent(
                f"""
                from alembic import op
                revision, down_revision = "{number}", {str(number - 1) if number > 1 else None!r}

                def upgrade():
                    op.execute({text!r})
                """
            )
        )
    ini = folder / "alembic.ini"
    # The database that it names is nowhere: nothing may go there.
    ini.write_text(
        "[alembic]\nscript_location = alembic\nsqlalchemy.url = postgresql+psycopg://nobody@127.0.0.1:1/no\n"
    )
    return ini


def test_a_table_about_people_that_the_map_does_not_mention(tmp_path: Path) -> None:
    folder = sql_files(tmp_path / "sql", V1_shop=SHOP, V2_address=PULL_REQUEST)
    reports = [tmp_path / "reports" / name for name in ("check.sarif", "check.xml")]
    options = ("--format", "json", f"--report=sarif={reports[0]}", f"--report=junit={reports[1]}")
    refused = check(MAP, tmp_path, "--sql", folder, *options, code=1)
    assert found(refused) == [("RG301", "table shop.address")]
    (result,) = json.loads(reports[0].read_text())["runs"][0]["results"]
    assert result["ruleId"] == "RG301"
    assert 'failures="1"' in reports[1].read_text()


def test_and_with_its_entry(tmp_path: Path) -> None:
    # 10 comes after 2; what undoes is left out; roles are made, also those that come to light one after another.
    folder = sql_files(
        tmp_path / "sql",
        V10_more='GRANT SELECT ON shop.address TO reporting, "Odd ""Role";',
        V2_address=PULL_REQUEST + "CREATE ROLE made_here; GRANT SELECT ON shop.address TO made_here;",
        V1_shop=SHOP,
        V2_address__down="DROP TABLE shop.address;",
        U2__address="DROP TABLE shop.address;",
        V1_shop_undo="DROP SCHEMA shop CASCADE;",
    )
    # The database of the environment is not asked.
    env = {"RLSGUARD_DSN": "host=127.0.0.1 port=1 dbname=no password=hunter2"}
    passed = check(MAP + ENTRY, tmp_path, "--sql", folder, code=0, env=env)
    assert passed.stdout.splitlines()[-1].startswith("0 errors, 0 warnings, 0 notes; ")
    assert "hunter2" not in passed.output


def test_what_fails_is_told_in_one_line(tmp_path: Path) -> None:
    folder = sql_files(tmp_path / "sql", V1_shop=SHOP, V2_bad="SELECT 1;\nALTER TABLE shop.custmer ADD born date;")
    failed = check(MAP, tmp_path, "--sql", folder, code=2)
    assert failed.stdout == ""
    place = folder / "2_bad.sql"
    error = f'psql:{place}:2: ERROR:  relation "shop.custmer" does not exist'
    assert failed.stderr == f"rlsguard: the migrations of {folder} fail: {error}\n"


def test_nothing_to_run_and_too_much(tmp_path: Path) -> None:
    empty = sql_files(tmp_path / "sql", V1_shop__down="DROP SCHEMA shop;")
    assert check(MAP, tmp_path, "--sql", empty, code=2).stderr.count("\n") == 1
    both = check(MAP, tmp_path, "--sql", empty, "--dsn", "service=bank", code=2)
    assert "--sql and --dsn do not go together" in both.stderr
    wrong = check(MAP, tmp_path, "--sql", empty, "--report", "sarf=check.sarif", code=2)
    assert "is not FORMAT=FILE" in wrong.stderr


@pytest.mark.parametrize(
    "url",
    ["context.config.get_main_option('sqlalchemy.url')", "os.environ['DATABASE_URL']"],
    ids=["sqlalchemy.url", "DATABASE_URL"],
)
def test_alembic(tmp_path: Path, url: str) -> None:
    ini = alembic(tmp_path / "project", url, SHOP, PULL_REQUEST + "GRANT SELECT ON shop.address TO reporting")
    refused = check(MAP, tmp_path, "--migrations", ini, "--format", "json", code=1)
    assert found(refused) == [("RG301", "table shop.address")]


def test_alembic_that_fails(tmp_path: Path) -> None:
    bad = "SELECT 'ERROR: of mine' FROM shop.custmer"
    ini = alembic(tmp_path / "project", "os.environ['DATABASE_URL']", SHOP, bad)
    failed = check(MAP, tmp_path, "--migrations", ini, code=2)
    assert failed.stderr.startswith(f"rlsguard: the migrations of {ini} fail: ")
    assert failed.stderr.endswith('relation "shop.custmer" does not exist\n')
    assert failed.stderr.count("\n") == 1
