"""The server's version, and the flaws of row security that its minor release still has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rlsguard.connection import OLDEST
from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene

NEWEST = 18
_CHECK = "server-version"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A published flaw.

    Attributes:
        fixed: the first minor release without it, for each major one that had it.
        until: what helps until the upgrade, if anything does.
    """

    cve: str
    what: str
    fixed: Mapping[int, int]
    until: str = ""


# https://www.postgresql.org/support/security/ and the records of PostgreSQL's own numbering authority.
# Only those by which a reader sees, or writes, rows that policies should keep from it.
FLAWS = (
    Flaw("CVE-2023-2455", "policies forget a change of user in inlined functions", {15: 3}),
    Flaw("CVE-2023-39418", "MERGE stores rows that UPDATE and SELECT policies forbid", {15: 4}),
    Flaw("CVE-2024-4317", "extended statistics show values to everybody", {15: 7, 16: 3}),
    Flaw("CVE-2024-10976", "policies below subqueries forget a change of user", {15: 9, 16: 5, 17: 1}),
    Flaw("CVE-2024-10978", "SET ROLE can be undone to the wrong user", {15: 9, 16: 5, 17: 1}),
    Flaw("CVE-2025-8713", "planner statistics show sampled values of hidden rows", {15: 14, 16: 10, 17: 6}),
    Flaw(
        "CVE-2026-120154",
        "the WHERE of INSERT ... ON CONFLICT DO UPDATE is asked of hidden rows",
        {15: 20, 16: 16, 17: 12, 18: 7},
        until=" Until then, REVOKE INSERT or UPDATE on protected tables from roles that need not have both.",
    ),
)


def check(scene: Scene) -> Iterator[Finding]:
    """Judge the version, and whether an upgrade has left a flaw in this database's catalog."""
    yield from judge(scene.catalog.server_version)
    (views,) = scene.rows("statistics_views")
    if views.open:
        yield Finding(
            "statistics-views",
            "error",
            "pg_stats_ext",
            "the views of extended statistics show values of hidden rows to everybody (CVE-2024-4317): "
            "a new release does not repair a database that an older one made.",
            "Run share/fix-CVE-2024-4317.sql of the server's installation in every database, or "
            "REVOKE SELECT ON pg_stats_ext, pg_stats_ext_exprs FROM PUBLIC;",
        )


def judge(number: int) -> Iterator[Finding]:
    """Yield what is to be said of *number*, the server's `server_version_num`, such as 150018 for 15.18."""
    major, minor = divmod(number, 10_000)
    version = f"{major}.{minor}"
    if major < OLDEST:
        yield Finding(
            _CHECK,
            "error",
            "",
            f"the server is PostgreSQL {version}; rlsguard needs {OLDEST} to {NEWEST}.",
            f"Upgrade to PostgreSQL {NEWEST}.",
        )
        return
    if major > NEWEST:
        yield Finding(
            _CHECK,
            "warning",
            "",
            f"the server is PostgreSQL {version}; rlsguard is tested with {OLDEST} to {NEWEST}.",
            "Prove it on a copy of the database first.",
        )
        return
    open_flaws = [flaw for flaw in FLAWS if minor < flaw.fixed.get(major, 0)]
    for flaw in open_flaws:
        yield Finding(
            _CHECK,
            "error",
            flaw.cve,
            f"PostgreSQL {version} has {flaw.cve}: {flaw.what}.",
            f"Upgrade to {major}.{max(f.fixed[major] for f in open_flaws)} or a newer minor release.{flaw.until}",
        )
    if not open_flaws:
        yield Finding(_CHECK, "ok", "", f"PostgreSQL {version} has no row security flaw known to rlsguard.", "")
