"""rlsguard uninstall"""

from __future__ import annotations

import click

from rlsguard.cli.options import connected, dry_run_option, dsn_option, format_option, lock_timeout_option, where
from rlsguard.cli.output import count, print_json, say
from rlsguard.uninstall import Removal, told_of
from rlsguard.uninstall import uninstall as uninstall_from


@click.command(epilog="Example: rlsguard uninstall --dsn service=bank --dry-run")
@dsn_option
@dry_run_option
@click.option("--drop-ledger", is_flag=True, help="Drop the ledger of opt-outs as well: nothing brings it back.")
@lock_timeout_option
@format_option
def uninstall(dsn: str, dry_run: bool, drop_ledger: bool, lock_timeout: float, output_format: str) -> None:
    """Take rlsguard out of a database.

    All that it made goes, and nothing of yours. The ledger stays unless --drop-ledger; a later apply takes it up
    again. Opt-outs are no longer enforced.
    """

    def announce(removal: Removal) -> None:
        if output_format == "text":
            for statement in removal.statements:
                say(f"{statement};")

    with connected(dsn) as conn:
        if output_format == "text":
            say(where(conn))
        removal = uninstall_from(
            conn, drop_ledger=drop_ledger, dry_run=dry_run, lock_timeout=lock_timeout, announce=announce
        )
    if output_format == "json":
        print_json({"dry_run": dry_run, **_answer(removal)})
        return
    entries = count(removal.ledger_entries, "entry", "entries")
    if removal.keeps_ledger:
        say(f"the ledger stays: {entries} in rlsguard.opt_out_event")
    elif removal.ledger_entries:
        say(f"the ledger goes: {entries}")
    if removal.shut:
        say(f"notice  {told_of(removal.shut)}")
    if removal.kept_roles:
        say(f"roles that stay: {', '.join(removal.kept_roles)}")
    say("nothing was removed (--dry-run)" if dry_run else "rlsguard is removed; no opt-out is enforced any more")


def _answer(removal: Removal) -> dict[str, object]:
    return {
        "statements": removal.statements,
        "ledger_entries": removal.ledger_entries,
        "keeps_ledger": removal.keeps_ledger,
        "kept_roles": removal.kept_roles,
        "shut": removal.shut,
    }
