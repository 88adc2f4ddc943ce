"""rlsguard doctor"""

from __future__ import annotations

from pathlib import Path

import click

from rlsguard import datamap
from rlsguard.cli.options import connected, dsn_option, format_option, where
from rlsguard.cli.output import count, print_json, say
from rlsguard.doctor import Finding, Severity, diagnose

# Errors first; what is well is named in one line.
_ORDER: tuple[Severity, ...] = ("error", "warning", "note")
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(epilog="Example: rlsguard doctor map.yaml --dsn service=bank")
@click.argument("map_path", metavar="[MAP]", required=False, type=click.Path(path_type=Path))
@dsn_option
@format_option
def doctor(map_path: Path | None, dsn: str, output_format: str) -> None:
    """Look for what weakens the guard or slows it down.

    The server's version and its known flaws, missing rights, pgaudit, settings, roles that see everything, missing
    indexes; each with what to do. Without MAP, the tables that are protected already are looked at. Changes nothing.
    Exit code 1 if there is a warning or an error.
    """
    loaded = None if map_path is None else datamap.load(map_path)
    with connected(dsn) as conn:
        place = where(conn)
        findings = diagnose(conn, loaded)
    if output_format == "json":
        print_json(findings)
    else:
        say(place)
        _print(findings)
    if any(finding.severity in ("error", "warning") for finding in findings):
        raise click.exceptions.Exit(1)


def _print(findings: tuple[Finding, ...]) -> None:
    for severity in _ORDER:
        for finding in findings:
            if finding.severity == severity:
                word = click.style(f"{severity:8}", fg=_COLOURS[severity])
                click.echo(word, nl=False)
                say(" ".join(filter(None, (finding.check, finding.about))) + f": {finding.message}")
                for line in finding.advice.splitlines():
                    say(f"        > {line}")
    well = dict.fromkeys(finding.check for finding in findings if finding.severity == "ok")
    if well:
        say(f"ok      {', '.join(well)}")
    say(
        ", ".join(count(sum(f.severity == severity for f in findings), severity, f"{severity}s") for severity in _ORDER)
    )
