"""Views of the guard that are called after a path over renamed tables or columns: what they do is the same."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VIEW = "relation rlsguard_views."


def as_wanted(found: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, str]:
    """Return *found* with such views, wherever they are named, under the names that they are *expected* to have."""
    wanted = {name: text for name, text in expected.items() if name.startswith(_VIEW) and name not in found}
    spare = {text: name for name, text in found.items() if name.startswith(_VIEW) and name not in expected}
    names = {
        spare[text].removeprefix(_VIEW): name.removeprefix(_VIEW) for name, text in wanted.items() if text in spare
    }
    if not names:
        return dict(found)
    pattern = re.compile(r"(?<=rlsguard_views\.)(" + "|".join(map(re.escape, names)) + r")\b")

    def called(text: str) -> str:
        return pattern.sub(lambda match: names[match.group(1)], text)

    return {called(name): called(text) for name, text in found.items()}
