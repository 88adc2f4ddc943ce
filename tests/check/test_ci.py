"""The GitHub action, the GitLab template and the pre-commit hooks: valid, and run as far as their hosts are not needed.

Nothing here depends on the server's version: each test runs once.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from check.test_migrations import MAP, PULL_REQUEST, SHOP, sql_files
from guarding import BANK, BANK_MAP, apply
from rlsguard.check import report
from servers import Postgres, present

ROOT = Path(__file__).parents[2]
BIN = Path(sys.prefix) / "bin"
TEMPLATE = ROOT / "templates" / "rlsguard.gitlab-ci.yml"
INJECTED = "x\"; touch injected; $(touch injected) `touch injected` '${{ inputs.map }}"

Done = subprocess.CompletedProcess[str]


def load(file: Path) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(file.read_text()))


def run(*command: object, cwd: Path, env: dict[str, str] | None = None) -> Done:
    # Of this process's environment only what every process has: no PG*, no settings of git's or pip's.
    environment = {"PATH": f"{BIN}:{os.defpath}", "HOME": str(cwd), "LC_ALL": "C.UTF-8", **(env or {})}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose last migration adds a table about people, which the map does not mention."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "map.yaml").write_text(MAP)
    sql_files(folder / "migrations", V1_shop=SHOP, V2_address=PULL_REQUEST)
    return folder


def step(name: str, cwd: Path, **inputs: str) -> Done:
    """Run a step of the action as GitHub's runner does: expressions put into its environment, its script as bash."""
    (action,) = load(ROOT / "action.yml")
    given = {one: about.get("default", "") for one, about in action["inputs"].items()} | inputs
    (found,) = (one for one in action["runs"]["steps"] if one.get("name") == name)
    environment = {
        variable: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], value).replace(
            "${{ github.action_path }}", str(ROOT)
        )
        for variable, value in found["env"].items()
    }
    temporary = cwd.parent / "runner temp"
    installed = temporary / "rlsguard" / "bin" / "rlsguard"
    if not installed.exists():
        installed.parent.mkdir(parents=True)
        installed.symlink_to(BIN / "rlsguard")
    script = temporary / "script.sh"
    script.write_text(found["run"])
    assert found["shell"] == "bash"
    return run(
        "bash",
        "--noprofile",
        "--norc",
        "-eo",
        "pipefail",
        script,
        cwd=cwd,
        env={**environment, "RUNNER_TEMP": str(temporary)},
    )


def test_the_action_fails_a_pull_request(project: Path) -> None:
    done = step("Check", project, sql="migrations", **{"sarif-file": "out/check.sarif"})
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("::error file=map.yaml,line=1,col=1,title=RG301 ")
    assert done.stdout.count("\n") == 1
    (result,) = json.loads((project / "out" / "check.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "map.yaml"}


def test_the_action_keeps_the_dsn_to_itself(project: Path, request: pytest.FixtureRequest) -> None:
    (project / "map.yaml").write_text(BANK_MAP)
    servers: Callable[[int], Postgres] = request.getfixturevalue("_running")
    with servers(max(present())).database() as db:
        db.execute(BANK)
        apply(db, BANK_MAP)
        db.execute("CREATE ROLE ci LOGIN PASSWORD 'hunter2'; GRANT rlsguard_auditor TO ci")
        dsn = f"postgresql://ci:hunter2@127.0.0.1:{db.server.port}/{db.name}"
        done = step("Check", project, dsn=dsn, format="text")
        # What it finds, only whoever is logged in as ci can.
        assert (done.returncode, done.stderr) == (1, ""), done.stdout
        assert "RG216 role ci" in done.stdout
        assert done.stdout.startswith(f"127.0.0.1:{db.server.port}/{db.name}, ")
        assert "hunter2" not in done.stdout
    failed = step("Check", project, dsn="postgresql://ci:hunter2@127.0.0.1:1/bank")
    assert failed.returncode == 2
    assert failed.stderr.startswith("rlsguard: cannot connect: ")
    assert "hunter2" not in failed.stdout + failed.stderr
    both = step("Check", project, dsn=dsn, sql="migrations")
    assert (both.returncode, both.stderr) == (2, "")
    assert both.stdout.startswith("::error::dsn does not go with ")


WEAKENS = "ALTER TABLE shop.customer DISABLE ROW LEVEL SECURITY;\n"


def test_the_action_reads_migrations(project: Path) -> None:
    (project / "migrations" / "V3_off.sql").write_text(WEAKENS)
    done = step("Lint", project, lint="migrations", **{"lint-sarif-file": "out/lint.sarif"})
    assert (done.returncode, done.stderr) == (1, "")
    assert "::error file=migrations/V3_off.sql,line=1,col=1,title=RG501 " in done.stdout
    results = json.loads((project / "out" / "lint.sarif").read_text())["runs"][0]["results"]
    places = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results]
    assert "migrations/V3_off.sql" in places
    # What check alone can print is no reason to fail; what cannot be read is one, and leaves no report.
    assert "V3_off.sql:1:1: error RG501 " in step("Lint", project, lint="migrations", format="markdown").stdout
    (project / "migrations" / "V4_odd.sql").write_text("SELEC\n")
    done = step("Lint", project, lint="migrations", **{"lint-sarif-file": "other.sarif"})
    assert (done.returncode, done.stderr) == (2, 'migrations/V4_odd.sql:1:1: syntax error at or near "SELEC"\n')
    assert not (project / "other.sarif").exists()


def test_the_action_trusts_who_wrote_it_if_asked_to(project: Path) -> None:
    (project / "migrations" / "2_address.sql").write_text(f"-- Made by rlsguard 0.1.0\n{WEAKENS}")
    assert step("Lint", project, lint="migrations").returncode == 1
    assert step("Lint", project, lint="migrations", **{"lint-generated": "skip"}).returncode == 0


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({}, ["Check"]),
        ({"dsn": "host=x"}, ["Check"]),
        ({"sql": "migrations"}, ["Check"]),
        ({"lint": "migrations"}, ["Lint"]),
        ({"lint": "migrations", "sql": "migrations"}, ["Lint", "Check"]),
        ({"lint": "migrations", "migrations": "alembic.ini"}, ["Lint", "Check"]),
        ({"lint": "migrations", "dsn": "host=x"}, ["Lint", "Check"]),
    ],
)
@pytest.mark.parametrize("lint", ["success", "failure"])
def test_which_steps_of_the_action_run(given: dict[str, str], steps: list[str], lint: str) -> None:
    (action,) = load(ROOT / "action.yml")
    by_name = {one["name"]: one for one in action["runs"]["steps"] if "name" in one}
    assert [name for name in ("Lint", "Check") if true(by_name[name]["if"], given, lint)] == steps
    # Who installs what they need asks the same.
    asked = by_name["Install rlsguard"]["env"]["CHECK"]
    assert true(asked.removeprefix("${{").removesuffix("}}"), given, lint) == ("Check" in steps)


def true(expression: str, given: dict[str, str], lint: str) -> bool:
    """Tell whether an expression of GitHub's holds, of those that the action has."""
    values = {"success()": lint == "success", "steps.lint.outcome": lint}
    words = re.split(r"(&&|\|\||==|!=|success\(\)|steps\.lint\.outcome|inputs\.[\w-]+|'\w*'|[()])", expression.strip())
    spelled = {"&&": "and", "||": "or"}
    python = [
        repr(given.get(word.removeprefix("inputs."), ""))
        if word.startswith("inputs.")
        else repr(values[word])
        if word in values
        else spelled.get(word, word)
        for word in map(str.strip, words)
    ]
    return bool(eval(" ".join(python), {"__builtins__": {}}))


def test_inputs_are_never_run(project: Path) -> None:
    names = ("map", "sql", "migrations", "fail-on", "format", "sarif-file", "baseline")
    more = ("lint", "lint-generated", "lint-sarif-file")
    for name in ("Check", "Lint"):
        done = step(name, project, **dict.fromkeys((*names, *more), INJECTED))
        assert done.returncode == 2, done.stdout
        assert "touch injected" in done.stderr
        assert not list(project.glob("injected"))


def test_what_the_action_installs(project: Path) -> None:
    # Stands in for python, and for the one in the environment that it makes: tells what pip would be asked for.
    stub = project.parent / "stub" / "python"
    stub.parent.mkdir()
    makes = 'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; else printf "%s\\n" "$@"; fi'
    stub.write_text(f"#!/bin/bash\n{makes}\n")
    stub.chmod(0o755)
    (action,) = load(ROOT / "action.yml")
    (install,) = (one for one in action["runs"]["steps"] if one.get("name") == "Install rlsguard")
    environment = {"PATH": f"{stub.parent}:{os.defpath}", "RUNNER_TEMP": str(project), "ACTION": str(ROOT)}
    for requirements, lint, check, extras, more in (
        ("", "", "true", "embedded", []),
        ("", "migrations", "false", "lint", []),
        ("a b.txt", "migrations", "true", "embedded,lint", ["--requirement", "a b.txt"]),
    ):
        given = {"REQUIREMENTS": requirements, "LINT": lint, "CHECK": check}
        done = run("bash", "-euc", install["run"], cwd=project, env={**environment, **given})
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1 - len(more) :] == [f"{ROOT}[{extras}]", *more]


def test_the_action_is_valid_and_pinned(tmp_path: Path) -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.github-actions", ROOT / "action.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (action,) = load(ROOT / "action.yml")
    used = [one["uses"] for one in action["runs"]["steps"] if "uses" in one]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one) for one in used)
    # zizmor looks for scripts that inputs get into, among others; of the control it says so.
    bad = tmp_path / "action.yml"
    bad.write_text((ROOT / "action.yml").read_text().replace('-- "$MAP"', "-- ${{ inputs.map }}"))
    audits = [
        run("zizmor", "--offline", "--quiet", "--pedantic", file, cwd=tmp_path) for file in (ROOT / "action.yml", bad)
    ]
    assert [one.returncode > 0 for one in audits] == [False, True], audits[0].stdout
    assert "template-injection" in audits[1].stdout


def test_the_inputs_offer_what_there_is() -> None:
    (action,) = load(ROOT / "action.yml")
    assert action["inputs"]["format"]["default"] in report.FORMATS
    spec, _ = load(TEMPLATE)
    assert spec["spec"]["inputs"]["fail-on"]["options"] == ["error", "warning", "note", "never"]


def gitlab_job(**inputs: str) -> dict[str, Any]:
    """Return the template's only job, with inputs put in as GitLab does: as text."""
    spec, _ = load(TEMPLATE)
    given = {one: (about or {}).get("default", "") for one, about in spec["spec"]["inputs"].items()} | inputs
    _, body = TEMPLATE.read_text().split("\n---\n")
    text = re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: given[match[1]], body)
    (job,) = YAML(typ="safe", pure=True).load(StringIO(text)).values()
    return job


def test_the_gitlab_job_leaves_reports(project: Path) -> None:
    job = gitlab_job(sql="migrations")
    install, check = job["script"]
    assert "RLSGUARD_DSN" not in install
    (project / ".rlsguard" / "bin").mkdir(parents=True)
    (project / ".rlsguard" / "bin" / "rlsguard").symlink_to(BIN / "rlsguard")
    environment = {name: one["value"] for name, one in job["variables"].items()}
    done = run("sh", "-euc", check, cwd=project, env={**environment, "RLSGUARD_DSN": "host=127.0.0.1 port=1"})
    assert (done.returncode, done.stderr) == (1, "")
    assert "RG301 table shop.address" in done.stdout
    (finding,) = json.loads((project / job["artifacts"]["reports"]["codequality"][0]).read_text())
    assert finding["location"]["path"] == "map.yaml"
    assert 'failures="1"' in (project / job["artifacts"]["reports"]["junit"][0]).read_text()


def test_the_gitlab_job_reads_migrations(project: Path) -> None:
    (project / "migrations" / "V3_off.sql").write_text(WEAKENS)
    (project / ".rlsguard" / "bin").mkdir(parents=True)
    (project / ".rlsguard" / "bin" / "rlsguard").symlink_to(BIN / "rlsguard")

    def done(**inputs: str) -> Done:
        job = gitlab_job(lint="migrations", **inputs)
        environment = {name: one["value"] for name, one in job["variables"].items()}
        return run(
            "sh", "-euc", job["script"][1], cwd=project, env={**environment, "RLSGUARD_DSN": "host=127.0.0.1 port=1"}
        )

    only = done()
    assert (only.returncode, only.stderr) == (1, "")
    assert "V3_off.sql:1:1: error RG501 table shop.customer" in only.stdout
    report, junit = (
        gitlab_job()["artifacts"]["reports"]["codequality"][1],
        gitlab_job()["artifacts"]["reports"]["junit"][1],
    )
    assert "migrations/V3_off.sql" in {one["location"]["path"] for one in json.loads((project / report).read_text())}
    assert "RG501" in (project / junit).read_text()
    assert not (project / "gl-code-quality-report.json").exists()
    # Both tell, though the first fails.
    both = done(sql="migrations")
    assert both.returncode == 1
    assert "error RG501" in both.stdout
    assert "RG301 table shop.address" in both.stdout
    (project / "map.yaml").write_text("version: 1\nrole: {}\n")
    assert done().returncode == 2


@pytest.mark.parametrize(
    ("inputs", "package"),
    [
        ({}, "rlsguard[embedded]"),
        ({"lint": "migrations"}, "rlsguard[lint]"),
        ({"lint": "migrations", "sql": "migrations"}, "rlsguard[embedded,lint]"),
        ({"lint": "migrations", "package": "rlsguard[lint]==0.1"}, "rlsguard[lint]==0.1"),
    ],
)
def test_what_the_gitlab_job_installs(inputs: dict[str, str], package: str, project: Path) -> None:
    python = project / ".rlsguard" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    stub = project / "stub"
    stub.mkdir()
    (stub / "python").symlink_to("/bin/true")
    job = gitlab_job(**inputs)
    environment = {name: one["value"] for name, one in job["variables"].items()}
    done = run("sh", "-euc", job["script"][0], cwd=project, env={**environment, "PATH": f"{stub}:{os.defpath}"})
    assert (done.stdout.splitlines()[-1], done.stderr) == (package, "")


def test_the_gitlab_template_is_valid(tmp_path: Path) -> None:
    # check-jsonschema reads one document a file: both are held against the schema, which knows `spec` too.
    files = [tmp_path / "spec.yml", tmp_path / "jobs.yml"]
    for file, text in zip(files, TEMPLATE.read_text().split("\n---\n"), strict=True):
        file.write_text(text)
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    done = run("check-jsonschema", *schema, *files, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert not any("$[[" in line for line in load(TEMPLATE)[1].popitem()[1]["script"])


def test_the_hooks(project: Path) -> None:
    manifest = ROOT / ".pre-commit-hooks.yaml"
    environment = {"PRE_COMMIT_HOME": str(project.parent / "cache")}
    assert run("pre-commit", "validate-manifest", manifest, cwd=project, env=environment).returncode == 0
    # Run in this environment: making one of their own takes all of rlsguard's dependencies.
    hooks = [
        {k: v for k, v in hook.items() if k != "additional_dependencies"}
        for (hooks,) in [load(manifest)]
        for hook in hooks
    ]
    assert {hook.pop("language") for hook in hooks} == {"python"}
    config = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"} for hook in hooks]}]}
    (project / ".pre-commit-config.yaml").write_text(json.dumps(config))
    run("git", "init", "--quiet", cwd=project)
    run("git", "add", ".", cwd=project)
    done = run("pre-commit", "run", "--all-files", "--color=never", cwd=project, env=environment)
    assert done.returncode == 1, done.stdout
    assert re.search(r"^rlsguard validate\.+Passed$", done.stdout, re.MULTILINE)
    assert re.search(r"^rlsguard check of the migrations\.+Failed$", done.stdout, re.MULTILINE)
    assert "RG301 table shop.address" in done.stdout
    assert re.search(r"^rlsguard lint of the migrations\.+Failed$", done.stdout, re.MULTILINE)
    assert "migrations/2_address.sql:2:1: error RG514 table shop.address" in done.stdout
    (project / "map.yaml").write_text("version: 1\nrole: {}\n")
    done = run(
        "pre-commit", "run", "rlsguard-validate", "--files", "map.yaml", "--color=never", cwd=project, env=environment
    )
    assert done.returncode == 1
    assert re.search(r"^map\.yaml:2:1: ", done.stdout, re.MULTILINE)
    # What is no map, and no migration, is not looked at.
    done = run("pre-commit", "run", "--files", ".pre-commit-config.yaml", "--color=never", cwd=project, env=environment)
    assert done.returncode == 0
    assert done.stdout.count("Skipped") == 3


@pytest.mark.parametrize(
    ("path", "linted"),
    [
        ("migrations/V2__off.sql", True),
        ("db/deploy/off.sql", True),
        ("supabase/migrations/20260101000000_off.sql", True),
        ("migrations/versions/ab12_off.py", True),
        ("alembic/versions/ab12_off.py", True),
        ("migrations/env.py", False),
        ("migrations/U2__off.sql", False),
        ("db/revert/off.sql", False),
        ("db/verify/off.sql", False),
        ("2_off.down.sql", False),
        ("2_off_undo.sql", False),
        ("app/models.py", False),
        ("map.yaml", False),
    ],
)
def test_which_files_the_hook_lints(path: str, linted: bool) -> None:
    (hook,) = (
        one for (hooks,) in [load(ROOT / ".pre-commit-hooks.yaml")] for one in hooks if one["id"] == "rlsguard-lint"
    )
    assert (re.search(hook["files"], path) is not None and re.search(hook["exclude"], path) is None) == linted
