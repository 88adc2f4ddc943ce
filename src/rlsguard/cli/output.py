"""Printing: plain text for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def safe(text: str) -> str:
    """Return *text* with what a terminal could obey made visible: it may come from anybody's data."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def count(number: int, one: str, many: str) -> str:
    """Return a number with its noun, such as `1 entry`."""
    return f"{number:,} {one if number == 1 else many}"


def say(text: str = "") -> None:
    """Print one line for people."""
    click.echo(safe(text))


def print_json(value: Any) -> None:
    """Print *value* as JSON: dataclasses as objects, bytes in hex, times in ISO 8601."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print aligned columns; never cut off where a program reads."""
    from rich.table import Table

    table = Table(*headings, box=None, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*map(safe, row))
    print_rich(table)


def print_rich(what: str | Table | Text) -> None:
    """Print a table, or text with a style: in colour on a terminal only, and as wide as it is where a program reads."""
    # Imported here: it takes longer than most commands, which print plain lines, need for all of their work.
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else 10_000)
    with console.capture() as captured:
        console.print(what, soft_wrap=not isinstance(what, Table))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


@contextmanager
def progress(task: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error, on a terminal only; it is told how much more was done."""
    # Imported here: what draws a bar takes longer to import than many commands take.
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        number = bar.add_task(task, total=total)
        yield lambda done: bar.advance(number, done)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
