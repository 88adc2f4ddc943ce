"""rlsguard uninstall"""

from __future__ import annotations

from collections.abc import Iterator

import click

from rlsguard.cli.options import connected, dry_run_option, dsn_option, format_option, lock_timeout_option, where
from rlsguard.cli.output import count, print_json, say
from rlsguard.names import quote
from rlsguard.uninstall import Removal, told_of
from rlsguard.uninstall import uninstall as uninstall_from


@click.command(epilog="Example: rlsguard uninstall --dsn service=bank --dry-run")
@dsn_option
@dry_run_option
@click.option(
    "--drop-ledger",
    is_flag=True,
    help="Drop the ledger and the recorded row changes as well: nothing brings them back.",
)
@lock_timeout_option
@format_option
def uninstall(dsn: str, dry_run: bool, drop_ledger: bool, lock_timeout: float, output_format: str) -> None:
    """Take rlsguard out of a database.

    All that it made goes, and nothing of yours. What it recorded stays unless --drop-ledger: the ledger of opt-outs,
    the row changes of audited tables with the salt of hashed columns, and with them the guard's roles and their
    members. A later apply takes all of it up again. Opt-outs are no longer enforced.
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
    for line in _told(removal):
        say(line)
    if dry_run:
        say("nothing was removed (--dry-run)")
    elif removal.only_ledger:
        say("nothing else was left; --drop-ledger drops the ledger as well")
    else:
        say("rlsguard is removed; no opt-out is enforced any more")


def _told(removal: Removal) -> Iterator[str]:
    stays = "stays" if removal.keeps_ledger else "goes"
    if removal.keeps_ledger or removal.ledger_entries:
        yield f"the ledger {stays}: {count(removal.ledger_entries, 'entry', 'entries')} in rlsguard.opt_out_event"
    if removal.row_changes:
        yield f"what was recorded of row changes {stays}: rlsguard.change_event, and the salt of hashed columns"
    if removal.shut:
        yield f"notice  {told_of(removal.shut)}"
    if removal.kept_roles:
        why = "with the ledger" if removal.keeps_ledger else "used elsewhere on this server"
        yield f"roles that stay, {why}: {', '.join(removal.kept_roles)}"
    for role, member in removal.memberships:
        yield f"notice  {quote(member)} is no longer a member of {role}, which goes"


def _answer(removal: Removal) -> dict[str, object]:
    return {
        "statements": removal.statements,
        "ledger_entries": removal.ledger_entries,
        "row_changes": removal.row_changes,
        "keeps_ledger": removal.keeps_ledger,
        "kept_roles": removal.kept_roles,
        "memberships": [{"role": role, "member": member} for role, member in removal.memberships],
        "shut": removal.shut,
    }
