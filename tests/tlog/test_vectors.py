"""What others published: RFC 6962's eight leaves, and the proofs that transparency-dev/merkle tries on its verifier."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from rlsguard.tlog import (
    Frontier,
    TlogError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tlog.trees import Store

# Of certificate-transparency's merkletree tests, and of transparency-dev/merkle's testonly/constants.go.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
STORE = Store([leaf_hash(bytes.fromhex(text)) for text in INPUTS])


def vectors(name: str) -> list[Any]:
    """Cases of https://github.com/transparency-dev/merkle, testdata (Apache-2.0), one a line."""
    lines = (Path(__file__).parent / "vectors" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case := json.loads(line), id=case["case"]) for line in lines]


def hashes(encoded: list[str] | None) -> list[bytes]:
    """Decode hashes. Some are texts that say "don't care", and would be refused for their length alone."""
    decoded = [base64.b64decode(one or "") for one in encoded or []]
    return [one if len(one) in (0, 32) else hashlib.sha256(one).digest() for one in decoded]


@pytest.mark.parametrize("size", range(9))
def test_roots(size: int) -> None:
    assert Frontier.of(size, STORE.nodes(size)).root().hex() == ROOTS[size]


@pytest.mark.parametrize("case", vectors("inclusion"))
def test_inclusion(case: dict[str, Any]) -> None:
    leaf, root = hashes([case["leafHash"], case["root"]])
    arguments = (leaf, case["leafIdx"], case["treeSize"], hashes(case["proof"]), root)
    if case["wantErr"]:
        with pytest.raises(TlogError):
            verify_inclusion(*arguments)
        return
    verify_inclusion(*arguments)
    if root.hex() == ROOTS[-1]:
        assert list(inclusion_proof(case["leafIdx"], 8, STORE.nodes(8))) == arguments[3]


@pytest.mark.parametrize("case", vectors("consistency"))
def test_consistency(case: dict[str, Any]) -> None:
    old_root, new_root = hashes([case["root1"], case["root2"]])
    old, new = case["size1"], case["size2"]
    arguments = (old, old_root, new, new_root, hashes(case["proof"]))
    # Theirs proves nothing from an empty tree; tlog-witness says: "the empty tree is consistent with any tree".
    if case["wantErr"] and case["case"] != "additional/size1-is-zero-and-size2-is-not-zero":
        with pytest.raises(TlogError):
            verify_consistency(*arguments)
        return
    verify_consistency(*arguments)
    if new_root.hex() == ROOTS[-1]:
        assert list(consistency_proof(old, new, STORE.nodes(8))) == arguments[4]
