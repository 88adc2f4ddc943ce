"""What ships with rlsguard beside its code: inside the package in a wheel, at the top level in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2]


def folder(name: str) -> Path:
    """Return the folder `sql` or `policies`."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _CHECKOUT / name
