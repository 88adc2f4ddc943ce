"""Proof that opt-outs hold: every protected table, looked at by every access path, as every role."""

from rlsguard.prove.clone import prove_on_copy
from rlsguard.prove.live import prove
from rlsguard.prove.model import Assumption, Observation, Proof, WayAround

__all__ = ["Assumption", "Observation", "Proof", "WayAround", "prove", "prove_on_copy"]
