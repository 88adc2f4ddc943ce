"""rlsguard ledger: sealing, verifying, receipts"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import click

from rlsguard import datamap
from rlsguard import seal as sealing
from rlsguard.cli.keys import SIGNING_KEY, PrivateKey, WitnessUrl, public_key_option, signing_key
from rlsguard.cli.options import Seconds, connected, dry_run_option, dsn_option, format_option, where
from rlsguard.cli.output import count, print_json, progress, say
from rlsguard.problems import RlsguardError
from rlsguard.seal.places import Place
from rlsguard.seal.publish import Published
from rlsguard.seal.retire import Retirable
from rlsguard.tlog import (
    Checkpoint,
    Keys,
    Note,
    SigningKey,
    VerifierKey,
    Witness,
    verify_checkpoint,
    verify_consistency,
)

_publish_option = click.option(
    "--publish",
    "places",
    multiple=True,
    metavar="PLACE",
    help="Where checkpoints go, outside the database: a folder, git:FOLDER, or - for standard output. Repeatable.",
)
_witness_option = click.option(
    "--witness", "witnesses", multiple=True, type=WitnessUrl(), metavar="URL=KEY", help="Have it cosigned. Repeatable."
)
_key_option = click.option(
    "--key",
    type=PrivateKey(),
    callback=signing_key,
    metavar="FILE",
    help=f"The log's private key, by default the text in {SIGNING_KEY}.",
)


@click.group()
def ledger() -> None:
    """Seal the ledger, so that nobody can change it unseen, and verify that nobody did."""


@ledger.command(epilog="Example: rlsguard ledger keygen bank.example/opt-outs -o /etc/rlsguard/ledger.key")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The new file of the private key.")
def keygen(name: str, output: Path) -> None:
    """Make the key that signs a log called NAME, and print the public one.

    NAME is best a domain of yours and a path. Keep the private key away from the database's machine: whoever has both
    can rewrite what was not published yet. Give the public one to whoever verifies.
    """
    if re.search(r"/[0-9]+$", name):
        raise click.UsageError(f"{name} could be a tree of another log: a name does not end in / and a number.")
    key = SigningKey.generate(name)
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise RlsguardError(f"{output}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{key.reveal()}\n")
    say(str(key.verifier))


@ledger.command(epilog="Example: rlsguard ledger seal --key ledger.key --publish /worm/rlsguard --every 10")
@dsn_option
@_key_option
@_publish_option
@_witness_option
@click.option("--every", type=Seconds(0.1), metavar="SECONDS", help="Go on until stopped.")
@format_option
def seal(
    dsn: str,
    key: SigningKey,
    places: tuple[str, ...],
    witnesses: tuple[Witness, ...],
    every: float | None,
    output_format: str,
) -> None:
    """Seal what was committed since the last time; sign and publish the log's checkpoint.

    Refuses to sign where the database has not grown from what was published last. Needs the role rlsguard_sealer.
    """
    where = _places(places)
    with connected(dsn) as conn:
        while True:
            published = sealing.publish(conn, key, where, witnesses)
            if output_format == "json":
                print_json(published)
            elif "-" not in places and (published.fresh or every is None):
                _say_published(published, places)
            if every is None:
                return
            time.sleep(every)


def _say_published(published: Published, places: tuple[str, ...]) -> None:
    sealed, size = published.head.sealed, published.head.size
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if not published.fresh:
        say(f"{now}  nothing new; {count(size, 'entry is', 'entries are')} sealed and published")
        return
    by = f", cosigned by {', '.join(published.cosigned)}" if published.cosigned else ""
    say(f"{now}  {count(sealed, 'entry', 'entries')} sealed, {size:,} in all; published in {', '.join(places)}{by}")


@ledger.command(epilog="Example: rlsguard ledger verify --key ledger.pub --publish /worm/rlsguard")
@dsn_option
@public_key_option
@_publish_option
@format_option
@click.pass_context
def verify(ctx: click.Context, dsn: str, key: VerifierKey, places: tuple[str, ...], output_format: str) -> None:
    """Recompute the whole log and hold it against the checkpoints that were published.

    Exit code 1 if anything is not as it was. Needs the role rlsguard_auditor; a hot standby will do.
    """
    where = _places(places)
    with connected(dsn) as conn, progress("verifying") as advance:
        verdict = sealing.verify(conn, key, where, progress=advance)
    if output_format == "json":
        print_json(verdict)
    else:
        for lost in verdict.lost:
            say(f"lost   {lost} The next tree records that.")
        for wrong in verdict.wrong:
            say(f"wrong  {wrong}")
        say(
            f"{count(verdict.entries, 'entry', 'entries')} recomputed,"
            f" {verdict.covered:,} of them covered by {count(verdict.checkpoints, 'checkpoint', 'checkpoints')};"
            f" {verdict.waiting:,} not sealed yet"
            + (f"; {verdict.retired:,} retired, of which the hash alone is here" if verdict.retired else "")
        )
    ctx.exit(1 if verdict.wrong else 0)


@ledger.command(epilog="Example: rlsguard ledger receipt 17 -o opt-out-17.json")
@click.argument("entry", type=int)
@dsn_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="By default standard output.")
@click.option("--change", is_flag=True, help="ENTRY is of rlsguard.change_event: the change of a row.")
@click.option("--no-values", is_flag=True, help="Leave personal values out; only their salted hashes are there then.")
def receipt(entry: int, dsn: str, output: Path | None, change: bool, no_values: bool) -> None:
    """Write a file that proves, offline, that ENTRY of the ledger is in the log.

    `rlsguard receipt verify` reads it. Needs the role rlsguard_auditor.
    """
    with connected(dsn) as conn:
        data = sealing.receipt(conn, entry, change=change, disclose=not no_values).to_bytes()
    if output is None:
        click.echo(data.decode(), nl=False)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise RlsguardError(f"{output}: {error.strerror}") from error


@ledger.command(epilog="Example: rlsguard ledger consistency monday.txt today.txt --key ledger.pub")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@dsn_option
@public_key_option
@format_option
def consistency(old: Path, new: Path, dsn: str, key: VerifierKey, output_format: str) -> None:
    """Prove that checkpoint NEW has grown from checkpoint OLD: that nothing of what OLD covers was changed.

    The database makes the proof (RFC 6962, section 2.1.2), which is checked here against the two files. Needs the role
    rlsguard_auditor.
    """
    first, second = (_checkpoint(file, key) for file in (old, new))
    if first.origin != second.origin:
        raise RlsguardError(f"{old} is of the log {first.origin}, {new} of {second.origin}")
    with connected(dsn) as conn:
        proof = sealing.consistency(conn, sealing.epoch(key.name, first.origin), first.size, second.size)
    verify_consistency(first.size, first.root, second.size, second.root, proof)
    if output_format == "json":
        print_json({"old": first, "new": second, "proof": proof})
    else:
        say(f"{new} has grown from {old}: from {first.size:,} to {count(second.size, 'entry', 'entries')}")


@ledger.command(epilog="Example: rlsguard ledger reanchor --key ledger.key --publish /worm --reason 'ticket 812'")
@dsn_option
@_key_option
@_publish_option
@_witness_option
@click.option("--reason", required=True, help="What happened; it becomes the first entry of the new tree.")
@format_option
def reanchor(
    dsn: str, key: SigningKey, places: tuple[str, ...], witnesses: tuple[Witness, ...], reason: str, output_format: str
) -> None:
    """Go on after a restore, an upgrade or a clone: begin another tree of the log, and record and publish why.

    What the tree before had published can still be verified. Refused where the log can simply go on. Needs the role
    rlsguard_sealer.
    """
    where = _places(places)
    with connected(dsn) as conn:
        done = sealing.reanchor(conn, key, where, witnesses, reason=reason)
    if output_format == "json":
        print_json(done)
    else:
        say(f"tree {done.epoch} of the log begins: {done.incident or 'it had begun, and was not published'}")


@ledger.command(epilog="Example: rlsguard ledger erase client 42 --map map.yaml --reason 'GDPR Art. 17, ticket 812'")
@click.argument("kind")
@click.argument("key")
@dsn_option
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path),
    metavar="MAP",
    help="Erase the person's row changes as well: the data map tells which they are.",
)
@click.option("--with-key", is_flag=True, help="Erase whom it was about as well, once the person's own rows are gone.")
@click.option("--reason", required=True, help="It goes into the ledger: nothing personal, please.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
def erase(kind: str, key: str, dsn: str, map_path: Path | None, with_key: bool, reason: str, dry_run: bool) -> None:
    """Take a person's values out of the ledger: who asked, from where, why, in what context.

    What was done and when stays, and stays proven. The opt-outs go on holding, and so the key stays, unless --with-key.
    Needs the rights of rlsguard apply.
    """
    loaded = None if map_path is None else datamap.load(map_path)
    with connected(dsn) as conn:
        erased = sealing.erase(conn, kind, key, with_key=with_key, reason=reason, datamap=loaded, dry_run=dry_run)
    for change in erased.changes:
        say(f"{change.table}: {count(len(change.rows), 'recorded change', 'recorded changes')} of the person's rows")
        if change.redacted:
            say(f"notice  {change.table}: whose a row was is not recorded (redact: {', '.join(change.redacted)})")
        if change.shared:
            say(f"notice  {change.table}: what leads to other people as well stays")
    values = f"the personal values of {count(erased.entries, 'entry', 'entries')}"
    if erased.changes:
        rows = len({row for change in erased.changes for row in change.rows})
        values += f" and {count(rows, 'row change', 'row changes')}"
    say(f"{values} would be erased (--dry-run)" if dry_run else f"{values} were erased, and that is on record")


def _moment(value: str) -> datetime:
    """Read a date, which is its first moment in UTC, or a time with its offset."""
    try:
        when = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
    except ValueError:
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no date such as 2019-01-01, nor such a time in ISO 8601") from None
    if when.tzinfo is None:
        raise click.BadParameter(f"{value!r} has no UTC offset; write it like 2019-01-01T00:00:00+01:00")
    if when > datetime.now(UTC):
        raise click.BadParameter(f"{value!r} lies in the future")
    return when


@ledger.command(epilog="Example: rlsguard ledger retire --before 2019-01-01 --reason '7 years, policy 4.2'")
@dsn_option
@click.option(
    "--before", type=_moment, required=True, metavar="DATE", help="What is older goes: a day, in UTC, or a time."
)
@click.option("--reason", required=True, help="It goes into the log: which rule says so.")
@dry_run_option
@format_option
@click.pass_context
def retire(ctx: click.Context, dsn: str, before: datetime, reason: str, dry_run: bool, output_format: str) -> None:
    """Take out row changes of audited tables whose time is over.

    That they went is an entry of the log, and everything that is left still verifies. Row changes that are not sealed
    yet stay; opt-outs and opt-ins always do. Needs the rights of rlsguard apply.
    """
    with connected(dsn) as conn:
        found = sealing.retirable(conn, before)
        if output_format == "text":
            say(where(conn))
            say(_retirable(found, before))
        gone = left = 0
        if found.entries and not dry_run:
            with progress("retiring", found.entries) as advance:
                gone = sealing.retire(conn, before, reason=reason, most=found.entries, progress=advance)
            # Somebody else can have retired the others.
            left = 0 if gone == found.entries else sealing.retirable(conn, before).entries
    if output_format == "json":
        print_json({"dry_run": dry_run, "before": before, "found": found, "retired": gone, "left": left})
    elif dry_run:
        say("nothing was retired (--dry-run)")
    else:
        for line in _retired(gone, left):
            say(line)
    ctx.exit(1 if left else 0)


def _retirable(found: Retirable, before: datetime) -> str:
    stay = f"; {found.unsealed:,} more are not sealed yet, and stay" if found.unsealed else ""
    when = f"before {before.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if found.first is None or found.last is None:
        return f"no sealed entry of row changes is from {when}{stay}"
    first, last = (f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for time in (found.first, found.last))
    return f"{count(found.entries, 'entry', 'entries')} of row changes {when}, of {first} to {last}{stay}"


def _retired(gone: int, left: int) -> Iterator[str]:
    yield f"{count(gone, 'entry', 'entries')} retired, which is on record: rlsguard ledger seal publishes that"
    if left:
        yield f"{left:,} stay, for they are not what was sealed: rlsguard ledger verify names them"


def _places(places: tuple[str, ...]) -> list[Place]:
    if not places:
        raise click.UsageError("Say where checkpoints are: --publish PLACE. In the database alone they prove nothing.")
    return [sealing.place(text) for text in places]


def _checkpoint(file: Path, key: VerifierKey) -> Checkpoint:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RlsguardError(f"{file}: {error.strerror}") from error
    origin = Checkpoint.parse(Note.parse(data).text).origin
    return verify_checkpoint(data, Keys(origin, (key,))).checkpoint
