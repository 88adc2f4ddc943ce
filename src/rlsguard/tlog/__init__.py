"""A log that an auditor can verify without trusting whoever runs it: tree, checkpoints, proofs, receipts, witnesses.

RFC 6962 and RFC 9162, with the text formats of https://c2sp.org: signed-note, tlog-checkpoint, tlog-cosignature,
tlog-proof, tlog-tiles, tlog-witness. Nothing here knows a database, and only `witness` does any I/O.
"""

from rlsguard.tlog.checkpoint import Checkpoint, Cosigned, Keys, SignedCheckpoint, verify_checkpoint
from rlsguard.tlog.keys import KeyType, SigningKey, VerifierKey
from rlsguard.tlog.note import Note, Signature, Verified
from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.proof import InclusionProof
from rlsguard.tlog.receipt import MAX_RECEIPT_BYTES, SALT_BYTES, Disclosed, Proven, Receipt, salted_hash, verify_receipt
from rlsguard.tlog.tiles import HashStore, TiledNodes
from rlsguard.tlog.tree import (
    EMPTY_ROOT,
    Frontier,
    Grown,
    Node,
    Nodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
)
from rlsguard.tlog.verify import verify_consistency, verify_inclusion
from rlsguard.tlog.witness import SizeConflictError, Witness, WitnessError, add_checkpoint, cosign

__all__ = [
    "EMPTY_ROOT",
    "MAX_RECEIPT_BYTES",
    "SALT_BYTES",
    "Checkpoint",
    "Cosigned",
    "Disclosed",
    "Frontier",
    "Grown",
    "HashStore",
    "InclusionProof",
    "KeyType",
    "Keys",
    "Node",
    "Nodes",
    "Note",
    "Proven",
    "Receipt",
    "Signature",
    "SignedCheckpoint",
    "SigningKey",
    "SizeConflictError",
    "TiledNodes",
    "TlogError",
    "Verified",
    "VerifierKey",
    "Witness",
    "WitnessError",
    "add_checkpoint",
    "consistency_proof",
    "cosign",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "salted_hash",
    "verify_checkpoint",
    "verify_consistency",
    "verify_inclusion",
    "verify_receipt",
]
