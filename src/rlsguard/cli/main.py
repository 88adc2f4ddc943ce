"""The command group, and what becomes of errors: one message, exit code 2."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click
import psycopg

from rlsguard import __version__
from rlsguard.cli.output import safe
from rlsguard.connection import explain
from rlsguard.problems import MapError, RlsguardError

# Each command and the module that has it, in the order of their use. A module is imported when its command is asked
# for: to import them all takes three times as long as to run a command that reads no map.
_MODULES = {
    "validate": "validate",
    "generate": "generate",
    "apply": "apply",
    "migrate": "migrate",
    "opt-out": "opt_out",
    "opt-in": "opt_out",
    "status": "history",
    "history": "history",
    "ledger": "ledger",
    "receipt": "receipt",
    "check": "check",
    "lint": "lint",
    "prove": "prove",
    "why": "why",
    "pgaudit": "pgaudit",
    "doctor": "doctor",
    "demo": "demo",
    "uninstall": "uninstall",
}


class _Failure(click.ClickException):
    """An error on its way to standard error, without a traceback."""

    exit_code = 2

    def __init__(self, error: Exception) -> None:
        super().__init__("\n".join(safe(line) for line in str(error).splitlines()))
        self.bare = isinstance(error, MapError)

    def show(self, file: Any = None) -> None:
        # Problems of a map begin with file:line:column, so that editors jump there.
        click.echo(self.message if self.bare else f"rlsguard: {self.message}", err=True)


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RlsguardError as error:
            raise _Failure(error) from error
        except psycopg.Error as error:  # such as a server that goes down meanwhile
            raise _Failure(RlsguardError(explain(error))) from error
        except UnicodeError as error:  # bytes on the command line that are no text
            raise _Failure(RlsguardError(f"not UTF-8: {error}")) from error
        except BrokenPipeError:
            # Whoever read our output (head, a pager) has seen enough: the shell's code for SIGPIPE, not click's 1.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(141)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"rlsguard.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="%(prog)s %(version)s")
def rlsguard() -> None:
    """Opt-outs that PostgreSQL itself enforces.

    A data map (YAML) says which tables hold data about people and which role reads for which purpose. `apply` makes
    the database hide the rows of whoever opted out, for every client.

    Exit codes: 0 all well, 1 something was found, 2 error (nothing was changed).
    """


def main() -> None:
    """Run the command line; ends the process."""
    try:
        sys.exit(rlsguard(prog_name="rlsguard", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("rlsguard: interrupted", err=True)
        sys.exit(130)
