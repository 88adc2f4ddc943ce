"""An entry of the ledger, as `rlsguard.opt_out_event` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Literal

Action = Literal["opt_out", "opt_in"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One opt-out or opt-in of one subject and purpose.

    Attributes:
        subject_key: the key in its stored spelling.
        version: counts the changes of this subject and purpose from 1.
        recorded_at: when the entry was written; it is in force from the commit right after.
        requested_at: when the person asked.
        actor: who asked, as told by the recorder.
        recorded_by: the login that recorded it.
        recorded_as: the role that the login had set, or the login itself.
        previous_hash: leaf hash of the version before.
        payload: the exact bytes that the leaf hash covers.
        leaf_hash: sha256(0x00 || payload), a leaf of RFC 6962, section 2.1.
    """

    id: int
    subject_kind: str
    subject_key: str
    purpose: str
    action: Action
    version: int
    recorded_at: datetime
    requested_at: datetime
    actor: str
    recorded_by: str
    recorded_as: str
    client_address: IPv4Address | IPv4Interface | IPv6Address | IPv6Interface | None
    application_name: str
    transaction_id: str
    reason: str | None
    context: Mapping[str, Any]
    previous_hash: bytes | None
    payload: bytes
    leaf_hash: bytes
