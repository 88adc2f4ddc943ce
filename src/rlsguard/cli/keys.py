"""Options for the keys of the log, from files or the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rlsguard.tlog import KeyType, SigningKey, TlogError, VerifierKey, Witness

SIGNING_KEY = "RLSGUARD_LEDGER_KEY"


class PublicKey(click.ParamType[VerifierKey]):
    """A public key, as `name+id+base64` or as a file that holds it."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> VerifierKey:
        """Read it."""
        if isinstance(value, VerifierKey):
            return value
        try:
            return VerifierKey.parse(_text(value))
        except (TlogError, OSError, UnicodeError) as error:
            self.fail(f"{value}: {error}", param, ctx)


class PrivateKey(click.ParamType[SigningKey]):
    """A file that holds a private key; whether others can read it, too, is the operating system's matter."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SigningKey:
        """Read it."""
        if isinstance(value, SigningKey):
            return value
        try:
            return SigningKey.parse(Path(value).read_text(encoding="utf-8").strip())
        except OSError as error:
            self.fail(f"{value}: {error.strerror}", param, ctx)
        except (TlogError, UnicodeError) as error:
            self.fail(f"{value}: {error}", param, ctx)


class WitnessUrl(click.ParamType[Witness]):
    """A witness, as `URL=KEY`."""

    name = "url=key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Witness:
        """Read it."""
        if isinstance(value, Witness):
            return value
        # Neither a key's name nor its base64 has a "=" before the last two signs of it.
        url, _, key = str(value).partition("=")
        try:
            parsed = VerifierKey.parse(_text(key))
            if parsed.type is not KeyType.COSIGNATURE:
                self.fail(f"{key}: the key of a witness is of type 0x04", param, ctx)
            return Witness(url, parsed)
        except (TlogError, OSError, UnicodeError) as error:
            self.fail(f"{value}: {error}", param, ctx)


public_key_option = click.option(
    "--key",
    type=PublicKey(),
    required=True,
    metavar="PUBLIC",
    help="The log's public key, as rlsguard ledger keygen prints it, or a file that holds it.",
)


def signing_key(ctx: click.Context, param: click.Parameter, value: SigningKey | None) -> SigningKey:
    """Return the private key that was given, or that of the environment."""
    if value is not None:
        return value
    text = os.environ.get(SIGNING_KEY)
    if text is None:
        raise click.MissingParameter(f"or put the key itself into {SIGNING_KEY}.", ctx, param)
    try:
        return SigningKey.parse(text.strip())
    except TlogError as error:
        raise click.BadParameter(f"{SIGNING_KEY}: {error}", ctx, param) from None


def _text(value: str) -> str:
    file = Path(value)
    return file.read_text(encoding="utf-8").strip() if "+" not in value or file.exists() else value
