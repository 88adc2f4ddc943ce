"""The ledger of opt-outs: recording and reading it."""

from rlsguard.ledger.entry import Action, Entry
from rlsguard.ledger.record import history, latest, record, record_all, refusable_purposes
from rlsguard.ledger.request import Request, RequestError, read_csv, requested_time

__all__ = [
    "Action",
    "Entry",
    "Request",
    "RequestError",
    "history",
    "latest",
    "read_csv",
    "record",
    "record_all",
    "refusable_purposes",
    "requested_time",
]
