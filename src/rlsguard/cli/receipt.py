"""rlsguard receipt: what a receipt proves, offline"""

from __future__ import annotations

from pathlib import Path

import click

from rlsguard.cli.keys import public_key_option
from rlsguard.cli.options import format_option
from rlsguard.cli.output import print_json, print_table, say
from rlsguard.problems import RlsguardError
from rlsguard.seal.names import epoch
from rlsguard.tlog import MAX_RECEIPT_BYTES, Checkpoint, Keys, Note, Receipt, VerifierKey, verify_receipt


@click.group()
def receipt() -> None:
    """Read receipts of ledger entries; needs no database."""


@receipt.command(epilog="Example: rlsguard receipt verify opt-out-17.json --key bank.example/opt-outs+0a1b2c3d+AZ...")
@click.argument("file", type=click.Path(path_type=Path))
@public_key_option
@format_option
def verify(file: Path, key: VerifierKey, output_format: str) -> None:
    """Check everything that FILE says, and show what that proves. Exit code 2 if it does not hold."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_RECEIPT_BYTES + 1)
    except OSError as error:
        raise RlsguardError(f"{file}: {error.strerror}") from error
    origin = Checkpoint.parse(Note.parse(Receipt.parse(data).proof.checkpoint).text).origin
    epoch(key.name, origin)  # any tree of the log will do
    proven = verify_receipt(data, Keys(origin, (key,)))
    if output_format == "json":
        print_json({"entry": proven.entry, "disclosed": proven.disclosed, "leaf": proven.index, "size": proven.size})
        return
    say(f"{file} holds: leaf {proven.index:,} of {proven.size:,} in the log {origin}")
    print_table(
        ("field", "value"),
        [
            (name, proven.disclosed.get(name, f"hash {value['sha256']}") if isinstance(value, dict) else f"{value}")
            for name, value in proven.entry.items()
            if value is not None
        ],
    )
