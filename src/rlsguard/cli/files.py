"""Writing generated files into a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from rlsguard.problems import RlsguardError

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write files into this folder, instead of one text to standard output.",
)


def read_if_there(file: Path) -> str:
    """Return the text of *file*, or nothing where it does not exist.

    Raises:
        RlsguardError: it is there and cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8") if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RlsguardError(f"{file}: {error}") from error


def require_new(files: Mapping[str, str], folder: Path) -> None:
    """Refuse to write *files* into *folder* if one is there whose text would change but for more at its end.

    Raises:
        RlsguardError: so it is, or that cannot be told.
    """
    for name, text in files.items():
        file = folder / name
        try:
            if file.exists() and not text.encode().startswith(file.read_bytes()):
                raise RlsguardError(f"{file} is there already; nothing was written")
        except OSError as error:
            raise RlsguardError(f"{error.filename}: {error.strerror}") from error


def write(files: Mapping[str, str], folder: Path, remove: Iterable[str] = ()) -> list[Path]:
    """Write *files*, name to text, into *folder*; remove those named in *remove* and return which were there.

    Raises:
        RlsguardError: the folder cannot be written.
    """
    removed = [folder / name for name in remove if (folder / name).is_file()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        for file in removed:
            file.unlink()
    except OSError as error:
        raise RlsguardError(f"{error.filename}: {error.strerror}") from error
    return removed
