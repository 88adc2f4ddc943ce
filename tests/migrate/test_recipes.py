"""Every recipe of docs/recipes.md is cooked, there and back: nobody sees what is hidden, nobody misses a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from guarding import _MADE_HERE, load
from migrate.cookbook import BANK, OPTED_OUT, Block, Kitchen, Onlookers, recipes
from rlsguard import apply as applying
from rlsguard.check import check
from servers import Clone

pytestmark = pytest.mark.by_turns

_RECIPES = recipes()
_MAP = next(block.text for blocks in _RECIPES.values() for block in blocks if block.language == "yaml")
_EVENTS = _MAP.replace("tables:\n", "guard: {event_trigger: true}\ntables:\n")
_COOKED = [name for name, blocks in _RECIPES.items() if any(block.language != "text" for block in blocks)][1:]
_BACK = [name for name in _COOKED if any(block.part == "Back" for block in _RECIPES[name])]


@pytest.fixture
def kitchen(
    request: pytest.FixtureRequest, template_db: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kitchen]:
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
    info = db.conn.info
    service = f"[bank]\nhost={info.host}\nport={info.port}\ndbname={info.dbname}\nuser={info.user}\n"
    (tmp_path / "pg_service.conf").write_text(service, encoding="utf-8")
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "pg_service.conf"))
    monkeypatch.setenv("PATH", f"{db.server.bindir}:/usr/bin:/bin")
    onlookers = Onlookers(db)
    onlookers.look("the beginning")
    kitchen = Kitchen(db, tmp_path, onlookers)
    yield kitchen
    kitchen.end()


@pytest.mark.parametrize("name", _COOKED)
def test_there(kitchen: Kitchen, name: str) -> None:
    _cook(kitchen, [block for block in _RECIPES[name] if block.part != "Back"])


@pytest.mark.parametrize("kitchen", [_EVENTS], indirect=True, ids=["events"])
@pytest.mark.parametrize("name", _COOKED)
def test_there_and_back_with_event_triggers(kitchen: Kitchen, name: str) -> None:
    left_out = "Later" if name in _BACK else "Back"
    _cook(kitchen, [block for block in _RECIPES[name] if block.part != left_out])


def _cook(kitchen: Kitchen, blocks: list[Block]) -> None:
    kitchen.cook(blocks)
    assert kitchen.onlookers.looks > len(blocks)
    with kitchen.db.connect() as conn:
        wanted = load(kitchen.map_path.read_text(encoding="utf-8"))
        assert applying.apply(conn, wanted, dry_run=True).changes == ()
        assert [f"{finding.kind.id} {finding.about}" for finding in check(conn, wanted).findings] == []
