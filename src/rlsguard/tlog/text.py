"""What the text formats have in common, read strictly: one spelling for each value."""

from __future__ import annotations

import base64
import re

from rlsguard.tlog.problem import TlogError

# A tree has fewer leaves than 2**63: PostgreSQL and Go count them in 64 bits with a sign.
MAX_SIZE = 2**63 - 1
HASH_BYTES = 32

_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")
_SHOWN = 40


def decode_utf8(data: bytes, what: str) -> str:
    """Decode UTF-8.

    Raises:
        TlogError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TlogError(f"{what} is not UTF-8 at byte {error.start}") from None


def decode_base64(text: str, what: str) -> bytes:
    """Decode base64 (RFC 4648, section 4) in its only canonical spelling.

    Raises:
        TlogError: it is not base64, or another spelling of the same bytes.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise TlogError(f"{what} is not base64: {shown(text)}") from None
    if encode_base64(data) != text:
        raise TlogError(f"{what} is not in the canonical spelling of base64: {shown(text)}")
    return data


def encode_base64(data: bytes) -> str:
    """Encode to base64 (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_hash(text: str, what: str) -> bytes:
    """Decode a SHA-256 hash in base64.

    Raises:
        TlogError: it is none.
    """
    data = decode_base64(text, what)
    if len(data) != HASH_BYTES:
        raise TlogError(f"{what} has {len(data)} bytes; a SHA-256 hash has {HASH_BYTES}")
    return data


def decode_decimal(text: str, what: str) -> int:
    """Read a number in ASCII decimal without leading zeroes.

    Raises:
        TlogError: it is none, or 2**63 or more.
    """
    if not _DECIMAL.fullmatch(text):
        raise TlogError(f"{what} is no decimal number without leading zeroes: {shown(text)}")
    number = int(text)
    if number > MAX_SIZE:
        raise TlogError(f"{what} is {number}, which is 2**63 or more")
    return number


def shown(text: str) -> str:
    """Return *text* quoted for a message: short, and harmless for a terminal."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
