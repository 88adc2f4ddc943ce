"""One entry of the log: what its bytes say, held against what its columns say."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from rlsguard.tlog import SALT_BYTES, leaf_hash, salted_hash

# Values that a payload holds as they are.
_PLAIN = (
    "subject_kind",
    "purpose",
    "action",
    "version",
    "recorded_at",
    "requested_at",
    "recorded_by",
    "recorded_as",
    "transaction_id",
)

# Values that the payload of an opt-out or opt-in holds as salted hashes.
_COMMITTED = ("subject_key", "actor", "client_address", "application_name", "reason", "context_text")

# As PostgreSQL writes ranges of numbers: each from the first up to the one behind the last.
_SPAN = r"\[(-?[0-9]{1,19}),(-?[0-9]{1,19})\)"
_SPANS = re.compile(rf"\{{({_SPAN}(,{_SPAN})*)?\}}")


def wrong_with(row: Any, *, retired: bool = False) -> str | None:
    """Say what is wrong with an entry, by what the log has of it; None if nothing is.

    Args:
        retired: whether it is on record that the entry went.
    """
    if row.payload is None:
        return None if retired else "the entry is gone."
    if retired:
        return "it was retired, and is here."
    if leaf_hash(row.payload) != row.hash or row.leaf_hash != row.hash:
        return "the entry's bytes are not those that were sealed."
    said = read_payload(row.payload)
    if not said:
        return "the entry's bytes are no JSON object."
    if _gone(row):
        return "its personal values are gone, and no erasure is on record."
    wrong = [name for name, value in _columns(row) if said.get(name) != value]
    return f"its columns do not say what was sealed: {', '.join(wrong)}." if wrong else None


def _gone(row: Any) -> bool:
    if row.source == "change_entry":
        return (row.salt is None or row.content is None) and not row.erased
    gone = (row.salt is None and not row.erased) or (row.key_salt is None and not row.key_erased)
    return row.source == "opt_out_event" and gone


def _columns(row: Any) -> Iterable[tuple[str, Any]]:
    """Yield what the payload must hold of each column."""
    if row.source == "log_epoch":
        yield from (("epoch", row.entry), ("place", row.place))
        return
    if row.source == "erasure":
        yield "erasure", row.entry
        for name in ("subject_kind", "entries", "changes", "with_key", "transaction_id"):
            yield name, getattr(row, name)
        return
    if row.source == "retention":
        yield from (("retention", row.entry), ("before", row.before), ("transaction_id", row.transaction_id))
        yield from (("entries", row.retired), ("count", sum(stop - start for start, stop in spans(row.retired))))
        return
    yield "id", row.entry
    if row.source == "change_entry":
        yield from (("transaction_id", row.transaction_id), ("changed_at", row.changed_at))
        # What was erased has come back neither whole nor in part.
        if row.salt is not None or row.content is not None:
            whole = row.content is not None and row.salt is not None and len(row.salt) == SALT_BYTES
            yield "content", {"sha256": salted_hash(row.salt, row.content)} if whole else row.content
        return
    for name in _PLAIN:
        yield name, getattr(row, name)
    yield "previous_hash", None if row.previous_hash is None else row.previous_hash.hex()
    for name in _COMMITTED:
        field, value = name.removesuffix("_text"), getattr(row, name)
        salt = row.key_salt if field == "subject_key" else row.salt
        if salt is not None:
            yield field, None if value is None else {"sha256": salted_hash(field_salt(salt, field), value)}
        elif value is not None:
            # What was erased has not come back as something else.
            yield field, value


def field_salt(salt: bytes, field: str) -> bytes:
    """Return the salt of one field: told together with its value, it opens that and no other."""
    return hashlib.sha256(salt + field.encode()).digest()


def spans(text: object) -> Iterator[tuple[int, int]]:
    """Yield the first number of each range in *text*, and the one behind the last; none if it is something else."""
    if isinstance(text, str) and _SPANS.fullmatch(text):
        for start, stop in re.findall(_SPAN, text):
            yield int(start), int(stop)


def read_payload(payload: bytes) -> dict[str, Any]:
    """Return the JSON object that a payload is; an empty one if it is none."""
    try:
        # Text: bytes would have their encoding guessed first.
        said = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
