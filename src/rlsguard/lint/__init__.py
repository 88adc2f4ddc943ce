"""Migrations read before they are run: which of their statements would weaken the guard. Needs no database.

What reads SQL, pglast, is an extra: it is GPLv3, and large. Nothing outside this package imports it.
"""

from __future__ import annotations

from rlsguard.problems import RlsguardError

try:
    import pglast  # noqa: F401 (whoever imports a module of this package is told here)
except ImportError as error:
    raise RlsguardError("lint reads SQL with pglast, which is not here: pip install 'rlsguard[lint]'") from error
