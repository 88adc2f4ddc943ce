"""Asking a witness to cosign a checkpoint: https://c2sp.org/tlog-witness, "add-checkpoint".

By the standard library's HTTP client: nothing more is needed for one request, and nothing more has to be trusted. It
follows no redirect, opens http and https only, and reads little; proxies are taken from the environment as usual.
"""

from __future__ import annotations

import http.client
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import urlsplit

from rlsguard.tlog.checkpoint import Checkpoint
from rlsguard.tlog.keys import KeyType, VerifierKey
from rlsguard.tlog.note import MAX_SIGNATURES, Note, Verified, parse_signatures
from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.proof import MAX_HASHES
from rlsguard.tlog.text import decode_decimal, decode_utf8, encode_base64, shown

_SIZE_TYPE = "text/x.tlog.size"
# Signatures of post-quantum keys have up to 5 kB.
_MAX_RESPONSE = MAX_SIGNATURES * 8192
_CHUNK = 16384
_AGENT = "rlsguard"


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: its submission prefix, and the key that it cosigns with."""

    url: str
    key: VerifierKey

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        except ValueError:
            usable = False
        if not usable or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise TlogError(f"no http or https URL: {shown(self.url)}")
        if self.key.type is not KeyType.COSIGNATURE:
            raise TlogError(f"the key {self.key.name} is not of type 0x04, which witnesses cosign with")


class WitnessError(TlogError):
    """A witness did not cosign.

    Attributes:
        status: the HTTP status of its answer; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SizeConflictError(WitnessError):
    """The proof does not begin at the tree that the witness cosigned last.

    Attributes:
        size: how many leaves that has.
    """

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message, http.HTTPStatus.CONFLICT)
        self.size = size


# The specification gives each status one meaning.
_REFUSALS = {
    400: "finds the request malformed",
    403: "trusts no key that signed the checkpoint",
    404: "does not know the log",
    422: "finds the checkpoint inconsistent with the one that it cosigned before",
}


def add_checkpoint(
    witness: Witness, old_size: int, proof: Sequence[bytes], note: Note, *, timeout: float = 10.0
) -> Verified:
    """Send one checkpoint, with the proof that it grew from a tree of *old_size* leaves.

    Args:
        timeout: seconds for each step of the connection, and for the whole answer.

    Returns:
        The witness's cosignature, checked.

    Raises:
        SizeConflictError: the witness cosigned a tree of another size last.
        WitnessError: it cannot be reached, refused, or answered something else than its cosignature.
    """
    name = witness.key.name
    body = _request(old_size, proof, note)
    try:
        status, content_type, answer = _post(f"{witness.url.rstrip('/')}/add-checkpoint", body, timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise WitnessError(
            f"witness {name} cannot be reached: {shown(str(reason) or type(reason).__name__)}"
        ) from error
    if len(answer) > _MAX_RESPONSE:
        raise WitnessError(f"witness {name} answered more than {_MAX_RESPONSE} bytes", status)
    if status == http.HTTPStatus.CONFLICT and content_type == _SIZE_TYPE:
        size = _size(answer, name)
        raise SizeConflictError(f"witness {name} cosigned {size} leaves last, not {old_size}", size)
    if status != http.HTTPStatus.OK:
        refusal = _REFUSALS.get(status, "did not cosign")
        said = shown(answer.decode("utf-8", "replace").strip())
        raise WitnessError(f"witness {name} {refusal}: HTTP status {status}, {said}", status)
    try:
        signatures = parse_signatures(decode_utf8(answer, "the answer"))
        verified = Note(note.text, signatures).verify([witness.key])
    except TlogError as error:
        raise WitnessError(f"witness {name} answered with no cosignature: {error}", status) from error
    if not verified:
        raise WitnessError(f"witness {name} answered with signatures by other keys only", status)
    return verified[0]


def cosign(
    witness: Witness,
    note: Note,
    prove: Callable[[int], Sequence[bytes]],
    *,
    old_size: int = 0,
    timeout: float = 10.0,
) -> Verified:
    """Have a checkpoint cosigned, from whatever size the witness cosigned last.

    Args:
        prove: makes the consistency proof from that many leaves to the checkpoint's.
        old_size: what the witness is thought to have cosigned last.

    Raises:
        WitnessError: it did not cosign; among others where it has cosigned a larger tree.
        TlogError: this is no checkpoint, or *old_size* is larger.
    """
    size = Checkpoint.parse(note.text).size
    try:
        return add_checkpoint(witness, old_size, prove(old_size), note, timeout=timeout)
    except SizeConflictError as conflict:
        if conflict.size > size:
            raise WitnessError(
                f"witness {witness.key.name} has cosigned {conflict.size} leaves already, more than these {size}",
                conflict.status,
            ) from conflict
        return add_checkpoint(witness, conflict.size, prove(conflict.size), note, timeout=timeout)


def _request(old_size: int, proof: Sequence[bytes], note: Note) -> bytes:
    if len(proof) > MAX_HASHES:
        raise TlogError(f"a proof of {len(proof)} hashes; {MAX_HASHES} are allowed")
    return "\n".join([f"old {old_size}", *map(encode_base64, proof), "", ""]).encode() + note.to_bytes()


def _size(answer: bytes, name: str) -> int:
    try:
        line, newline, rest = decode_utf8(answer, "the answer").partition("\n")
        if not newline or rest:
            raise TlogError("the answer is not one line")
        return decode_decimal(line, "the size")
    except TlogError as error:
        raise WitnessError(f"witness {name} answered with no size: {error}", http.HTTPStatus.CONFLICT) from error


def _post(url: str, body: bytes, timeout: float) -> tuple[int, str, bytes]:
    """Return status, content type and content: no more than just over what is allowed."""
    # Without the handlers that follow redirects, open files, or make exceptions of statuses.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        opener.add_handler(handler())
    headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": _AGENT}
    until = time.monotonic() + timeout
    answer = bytearray()
    with opener.open(urllib.request.Request(url, body, headers, method="POST"), timeout=timeout) as response:
        while len(answer) <= _MAX_RESPONSE and (part := response.read1(_CHUNK)):
            answer += part
            if time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
        return response.status, response.headers.get_content_type(), bytes(answer)
