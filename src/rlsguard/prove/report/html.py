"""A proof as one self-contained page, for a browser or a file of evidence."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rlsguard.prove.model import Proof
from rlsguard.prove.report import summary

# What HTML may not hold (https://html.spec.whatwg.org/multipage/parsing.html#control-character-in-input-stream), and
# what turns the direction of reading.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def html(proof: Proof) -> str:
    """Return the page: the verdict, what failed and how to mend it, and every combination of table, role and path."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value,
    )
    return environment.get_template("page.html.j2").render(
        proof=proof,
        counts=summary.count(proof.cells.values()),
        tables=summary.tables(proof),
        roles=summary.roles(proof),
        paths=summary.paths(proof),
        failures=summary.failures(proof),
        untried=summary.untried(proof),
    )
