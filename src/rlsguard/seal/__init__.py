"""Sealing the ledger: its entries in a log whose checkpoints are signed and published outside the database."""

from rlsguard.seal.erase import Erased, erase
from rlsguard.seal.log import Head, heads, seal
from rlsguard.seal.names import epoch
from rlsguard.seal.places import Place, place
from rlsguard.seal.publish import Published, publish
from rlsguard.seal.reanchor import Reanchored, reanchor
from rlsguard.seal.receipts import consistency, receipt
from rlsguard.seal.retire import Retirable, retirable, retire
from rlsguard.seal.verdict import Verdict, Wrong
from rlsguard.seal.verify import verify

__all__ = [
    "Erased",
    "Head",
    "Place",
    "Published",
    "Reanchored",
    "Retirable",
    "Verdict",
    "Wrong",
    "consistency",
    "epoch",
    "erase",
    "heads",
    "place",
    "publish",
    "reanchor",
    "receipt",
    "retirable",
    "retire",
    "seal",
    "verify",
]
