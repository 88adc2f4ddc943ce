"""Every recipe of docs/recipes.md is cooked, there and back: nobody sees what is hidden, nobody misses a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from guarding import _MADE_HERE, load
from migrate.cookbook import BANK, OPTED_OUT, Block, Kitchen, recipes
from rlsguard import apply as applying
from rlsguard.check import check
from rlsguard.cli.main import rlsguard
from rlsguard.server import SUPERUSER
from servers import Clone, Database, Postgres

pytestmark = pytest.mark.by_turns

_RECIPES = recipes()
_MAP = next(block.text for blocks in _RECIPES.values() for block in blocks if block.language == "yaml")
_EVENTS = _MAP.replace("tables:\n", "guard: {event_trigger: true}\ntables:\n")
_COOKED = [
    name
    for name, blocks in _RECIPES.items()
    if any(block.language in ("sql", "console", "python") for block in blocks)
    and not any("service=new" in block.text for block in blocks)
]
_BACK = [name for name in _COOKED if any(block.part == "Back" for block in _RECIPES[name])]


@pytest.fixture
def bank(request: pytest.FixtureRequest, template_db: Clone) -> Database:
    """A guarded bank in which somebody has opted out, with event triggers where the test is marked so."""
    text: str = getattr(request, "param", _MAP)

    def build(conn: psycopg.Connection[Any]) -> None:
        conn.execute(BANK)
        applying.apply(conn, load(text))
        conn.execute(
            "GRANT rlsguard_recorder TO privacy_desk;"
            f"SELECT rlsguard.opt_out('client', '{OPTED_OUT}', '{{marketing}}', 'test', 'because')"
        )

    db = template_db(f"recipes {text}", build)
    db.execute(_MADE_HERE)
    return db


@pytest.fixture
def kitchen(
    request: pytest.FixtureRequest, bank: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kitchen]:
    """Where it is cooked; with a new database beside it, if the test asks for one."""
    databases = {"bank": bank}
    if "new" in request.fixturenames:
        databases["new"] = request.getfixturevalue("new")
    services = [
        f"[{service}]\nhost={db.conn.info.host}\nport={db.conn.info.port}\ndbname={db.name}\nuser={SUPERUSER}\n"
        for service, db in databases.items()
    ]
    (tmp_path / "pg_service.conf").write_text("".join(services), encoding="utf-8")
    events = bank.execute("SELECT FROM pg_event_trigger WHERE evtname = 'rlsguard_ddl'")
    (tmp_path / "map.yaml").write_text(_EVENTS if events else _MAP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "pg_service.conf"))
    monkeypatch.setenv("PATH", f"{bank.server.bindir}:/usr/bin:/bin")
    kitchen = Kitchen(tmp_path, **databases)
    for onlookers in kitchen.onlookers.values():
        onlookers.look("nothing")
    yield kitchen
    kitchen.end()


@pytest.fixture
def new(server: Postgres, bank: Database) -> Iterator[Database]:
    """An empty database, to which the bank moves."""
    with server.database() as database:
        yield database


@pytest.mark.parametrize("name", _COOKED)
def test_there(kitchen: Kitchen, bank: Database, name: str) -> None:
    _cook(kitchen, bank, [block for block in _RECIPES[name] if block.part != "Back"])


@pytest.mark.parametrize("bank", [_EVENTS], indirect=True, ids=["events"])
@pytest.mark.parametrize("name", _COOKED)
def test_there_and_back_with_event_triggers(kitchen: Kitchen, bank: Database, name: str) -> None:
    left_out = "Later" if name in _BACK else "Back"
    _cook(kitchen, bank, [block for block in _RECIPES[name] if block.part != left_out])


@pytest.mark.parametrize("bank", [_MAP, _EVENTS], indirect=True, ids=["", "events"])
def test_move(bank: Database, new: Database, kitchen: Kitchen) -> None:
    blocks = _RECIPES["By logical replication"]
    for arguments in (["keygen", "bank.example/opt-outs", "-o", "ledger.key"], _SEAL):
        result = CliRunner().invoke(rlsguard, ["ledger", *arguments])
        assert result.exit_code == 0, result.output
        if arguments[0] == "keygen":
            Path("ledger.pub").write_text(result.stdout, encoding="utf-8")
    (shut,) = (number for number, block in enumerate(blocks) if "confirmed_flush_lsn" in block.text)
    kitchen.cook(blocks[:shut])
    kitchen.onlookers["bank"].at_work = False
    _cook(kitchen, new, blocks[shut:])
    assert bank.execute("SELECT count(*) FROM rlsguard.opt_out_event")[0][0] > 3
    ledger = "SELECT id, payload FROM rlsguard.opt_out_event ORDER BY id"
    assert new.execute(ledger) == bank.execute(ledger)
    there = kitchen.onlookers["new"]
    there.may_miss, there.at_work = False, True
    there.work()


_SEAL = ["seal", "--key", "ledger.key", "--publish", "worm", "--dsn", "service=bank"]


def _cook(kitchen: Kitchen, db: Database, blocks: list[Block]) -> None:
    kitchen.cook(blocks)
    with db.connect() as conn:
        wanted = load(kitchen.map_path.read_text(encoding="utf-8"))
        assert applying.apply(conn, wanted, dry_run=True).changes == ()
        assert [f"{finding.kind.id} {finding.about}" for finding in check(conn, wanted).findings] == []
