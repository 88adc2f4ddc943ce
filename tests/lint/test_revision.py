"""What a revision runs by functions of its own: each statement read at its call, where it is written."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent, indent

import pytest

from lint.reading import read
from rlsguard.lint.model import SqlError

OFF = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY"
RUN = "def run(s):\n    op.execute(s)\n"
ALL = "def all_of(*several):\n    for one in several:\n        run(one)\n"


def told(text: str, folder: Path) -> list[str]:
    """Return what is found in *text*: its place in there, its id, its object."""
    file = folder / "r.py"
    file.write_text(text.replace("OFF", OFF), encoding="utf-8", newline="")
    return [
        f"{one.position.line}:{one.position.column} {one.kind.id} {one.about.removesuffix(' in r.py')}"
        for one in read(file).findings
        if one.position is not None
    ]


def upgrade(body: str) -> str:
    return "def upgrade():\n" + indent(dedent(body), "    ")


@pytest.mark.parametrize(
    ("helpers", "body", "found"),
    [
        # Where the text stands: of the module, within upgrade(), by name, by place, behind another.
        (RUN, 'run("OFF")', ["4:10 RG501 table bank.trans"]),
        ("", 'def run(s):\n    bind.exec_driver_sql(s)\nrun("OFF")', ["4:10 RG501 table bank.trans"]),
        (RUN, 'run(s="OFF")', ["4:12 RG501 table bank.trans"]),
        (RUN, 'def again(s): run(s)\nagain("OFF")', ["5:12 RG501 table bank.trans"]),
        (RUN, 'x = run\nx("OFF")', ["5:8 RG501 table bank.trans"]),
        ("run = lambda s: op.execute(s)\n", 'run("OFF")', ["3:10 RG501 table bank.trans"]),
        ("from alembic.op import execute\n", 'execute("OFF")', ["3:14 RG501 table bank.trans"]),
        (RUN, 'é = run("SELECT 1;  OFF")', ["4:25 RG501 table bank.trans"]),
        # Several.
        (RUN + ALL, 'all_of("SELECT 1", "OFF")', ["7:25 RG501 table bank.trans"]),
        (RUN + ALL, 'all_of(\n    "SELECT 1",\n    """\n  OFF\n""",\n)', ["10:7 RG501 table bank.trans"]),
        (RUN + ALL, 'all_of(*["OFF"])', ["7:15 RG501 table bank.trans"]),
        (RUN, 'for s in ["OFF"]: run(s)', ["4:16 RG501 table bank.trans"]),
        (RUN, '[run(s) for s in ("OFF",)]', ["4:24 RG501 table bank.trans"]),
        (RUN, 'for n, (s, _) in enumerate([("OFF", 1)]): run(s)', ["4:35 RG501 table bank.trans"]),
        (RUN, 'sql = []\nsql.append("OFF")\nfor s in sql: run(s)', ["5:17 RG501 table bank.trans"]),
        (RUN, 'sql = []\nif x: sql += ["OFF"]\nfor s in sql: run(s)', ["5:20 RG501 table bank.trans"]),
        (RUN, 'for s in "SELECT 1; OFF".split(";"): run(s)', ["4:25 RG501 table bank.trans"]),
        (RUN, 'for s in sqlparse.split("SELECT 1; OFF"): run(s)', ["4:40 RG501 table bank.trans"]),
        # What is moved keeps its lines.
        (RUN, 'run(dedent(r"""\n    SELECT 1;\n    OFF\n""").strip())', ["6:9 RG501 table bank.trans"]),
        (RUN, 'run(cleandoc("""SELECT 1;\n    OFF\n"""))', ["5:9 RG501 table bank.trans"]),
        (RUN, 'run(textwrap.dedent("""\\\n    OFF\n    """))', ["5:9 RG501 table bank.trans"]),
        (RUN, 'run("""\n\n    OFF\n    """.strip())', ["6:9 RG501 table bank.trans"]),
        # What does not stand there as it is stands where its literal does; what is put together, at the call.
        (RUN, 'run("SELECT \'\\x41\';  OFF")', ["4:9 RG501 table bank.trans"]),
        (RUN, 'run("ALTER TABLE bank.trans "\n    "DISABLE ROW LEVEL SECURITY")', ["4:9 RG501 table bank.trans"]),
        (
            'def off(t):\n    op.execute(f"ALTER TABLE {t} DISABLE ROW LEVEL SECURITY")\n',
            'off("bank.client")\noff("public.x")\noff("bank.trans")',
            ["4:5 RG501 table bank.client", "6:5 RG501 table bank.trans"],
        ),
        ('def drop(t):\n    op.drop_table(t, schema="bank")\n', 'drop("trans")', ["4:5 RG515 table bank.trans"]),
        (RUN, 'sql = "OFF"\nrun(sql)', ["5:9 RG501 table bank.trans"]),
        # What is no literal.
        (RUN, "run(make())", ["4:5 RG590 execute()"]),
        (RUN + ALL, "all_of(*make())", ["7:5 RG590 execute()"]),
        (RUN + ALL, 'all_of("SELECT 1", make())', ["7:5 RG590 execute()"]),
        (RUN, "for s in make(): run(s)", ["4:22 RG590 execute()"]),
        (RUN, "for s in Path(x).read_text().split(';'): run(s)", ["4:46 RG590 execute()"]),
        (RUN, 'sql = ["SELECT 1"]\nfill(sql)\nsql.extend(more)\nfor s in sql: run(s)', ["7:19 RG590 execute()"]),
        (RUN, "list(map(run, make()))", ["4:14 RG590 execute()"]),
        ("", "list(map(op.execute, make()))", ["2:14 RG590 execute()"]),
        (RUN, "", ["2:16 RG590 execute()"]),
        ("def run(*s):\n    run(s)\n", "run(1)", ["4:5 RG590 execute()"]),
        (RUN, 'run(f"ALTER TABLE {t} DISABLE ROW LEVEL SECURITY")', ["4:9 RG501 table ?", "4:9 RG590 execute()"]),
        ("", 'op.drop_table("trans", schema=make())', ["2:5 RG590 drop_table()"]),
        # Every way that it could go.
        (RUN, 'run("OFF" if x else "SELECT 1")', ["4:10 RG501 table bank.trans"]),
        (RUN, 'if x: s = "OFF"\nelse: s = "SELECT 1"\nrun(s)', ["6:9 RG501 table bank.trans"]),
        (RUN, 's = "OFF"\ns = "SELECT 1"\nrun(s)', []),
        (RUN, 'try: pass\nexcept E: run("OFF")\nfinally: pass', ["5:20 RG501 table bank.trans"]),
        (RUN, 'while x: run("OFF")', ["4:19 RG501 table bank.trans"]),
        (RUN, 'match x:\n    case 1: run("OFF")', ["5:22 RG501 table bank.trans"]),
        (RUN, 'with x(): run("OFF")', ["4:20 RG501 table bank.trans"]),
        ('def run(s="OFF"):\n    op.execute(s)\n', "run()", ["1:12 RG501 table bank.trans"]),
        (
            "if x:\n    def run(s): op.execute(s)\nelse:\n    def run(s): print(s)\n",
            'run("OFF")',
            ["6:10 RG501 table bank.trans"],
        ),
        # Upgrades of several databases; what only takes back.
        (
            'def upgrade_one():\n    op.execute("OFF")\ndef downgrade_one():\n    op.execute("OFF")\n',
            "pass",
            ["2:17 RG501 table bank.trans"],
        ),
        (RUN + 'def downgrade():\n    run("OFF")\n    back()\ndef back():\n    run("OFF")\n', 'run("SELECT 1")', []),
    ],
)  # fmt: skip
def test_a_statement_is_read_where_it_is_written(helpers: str, body: str, found: list[str], tmp_path: Path) -> None:
    assert told(helpers + upgrade(body or "pass"), tmp_path) == found


def test_ends_of_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = (RUN + upgrade('run("""\n    SELECT 1;\n    OFF""")\n')).replace("\n", "\r\n")
    assert told(text, tmp_path) == ["6:9 RG501 table bank.trans"]


def test_helpers_run_in_their_order(tmp_path: Path) -> None:
    off = OFF.replace("trans", "movement")
    body = f'run("ALTER TABLE bank.trans RENAME TO movement")\nrun("{off}")'
    assert told(upgrade(body) + "\n" + RUN, tmp_path) == [
        "2:10 RG515 table bank.trans",
        "3:10 RG501 table bank.movement",
    ]


def test_what_cannot_be_followed_to_its_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SqlError, match=r"r\.py:1:1: this is nested too deeply to be read"):
        told("x" + ".f()" * 900, tmp_path)
    assert told(RUN + "def again(s):\n    again(s)\n" + upgrade("again(1)\nrun('SELECT 1')"), tmp_path) == [
        "6:5 RG590 execute()"
    ]
    doubling = "".join(f"def f{n}():\n    f{n + 1}()\n    f{n + 1}()\n" for n in range(60)) + "def f60(): pass\n"
    monkeypatch.setattr("rlsguard.lint.revision._MOST", 5_000)
    with pytest.raises(SqlError, match=r"r\.py:\d+:\d+: this is more than lint follows"):
        told(doubling + upgrade("f0()"), tmp_path)


def test_how_long_a_long_revision_takes(tmp_path: Path) -> None:
    calls = "".join(f'all_of("SELECT {number}", "SELECT 0")\n' for number in range(1_000))
    started = time.monotonic()
    assert told(RUN + ALL + upgrade(calls), tmp_path) == []
    assert time.monotonic() - started < 10
