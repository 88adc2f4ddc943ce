"""Templates of SQL that cannot be injected into: whatever is put in must be a psycopg composable."""

from __future__ import annotations

import re
from typing import Any

import jinja2
from psycopg import sql

from rlsguard.sqlfiles import FOLDER


def text(value: sql.Composable) -> str:
    """Return a composable as SQL text, quoted without a connection and so alike on every server."""
    return value.as_string(None)


def remark(words: str) -> sql.SQL:
    """Return *words* for a one-line SQL comment: whatever could end the line is taken out."""
    return sql.SQL(re.sub(r"[^\S ]+|[\x00-\x1f\x7f\x85\u2028\u2029]", " ", words))


def render(template: str, **values: Any) -> str:
    """Render `sql/each/<template>`.

    Raises:
        TypeError: the template puts out something that is not a `psycopg.sql.Composable`.
    """
    return _environment.get_template(template).render(values)


def _only_composables(value: Any) -> str:
    if isinstance(value, sql.Composable):
        return text(value)
    raise TypeError(f"a template may only put out psycopg.sql composables, not {type(value).__name__}")


_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER / "each"),
    finalize=_only_composables,
    undefined=jinja2.StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
