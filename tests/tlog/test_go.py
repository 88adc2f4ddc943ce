"""An independent implementation agrees: Go's golang.org/x/mod/sumdb/note and tlog, both ways, on many cases at once."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlsguard.tlog import (
    Checkpoint,
    Frontier,
    KeyType,
    Note,
    SigningKey,
    TlogError,
    VerifierKey,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from rlsguard.tlog.text import encode_base64
from tlog.signing import LOG, STRANGER, TIME, WITNESSES, checkpoint, signed
from tlog.trees import LEAVES, STORE

Request = dict[str, Any]
Ask = Callable[[list[Request]], list[Any]]

MODULES = Path("/usr/share/gocode")
# Newer releases of Go compile their own library first, which takes a minute: once.
CACHE = Path(__file__).parents[2] / ".cache" / "go"
# Every small size, the sizes around those of tiles, and some others.
SIZES = [*range(1, 70), 255, 256, 257, 511, 513, 1000, 4095, 4097, 65_535, 65_536, 65_537, 69_999, 70_000]
GROW: Request = {"Op": "grow", "Leaves": [encode_base64(leaf) for leaf in LEAVES]}


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return what has Go answer requests, in one process for all that are asked at once."""
    compiler = shutil.which("go")
    if compiler is None or not (MODULES / "src/golang.org/x/mod/sumdb/note/note.go").exists():
        missing = "Go and golang.org/x/mod are not here; on Debian: golang-go, golang-golang-x-mod-dev"
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("go")
    environment = {"PATH": os.environ["PATH"], "GO111MODULE": "off", "GOPATH": str(MODULES), "GOFLAGS": ""}
    subprocess.run(
        [compiler, "build", "-o", folder / "tlog", "."],
        cwd=Path(__file__).parent / "go",
        env=environment | {"GOCACHE": str(CACHE), "CGO_ENABLED": "0"},
        check=True,
    )

    def ask(requests: list[Request]) -> list[Any]:
        lines = "".join(f"{json.dumps(request)}\n" for request in requests)
        answered = subprocess.run([folder / "tlog"], input=lines, capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in answered.stdout.splitlines()]
        assert len(answers) == len(requests)
        return answers

    return ask


def encoded(hashes: tuple[bytes, ...]) -> list[str]:
    return [encode_base64(one) for one in hashes]


def decoded(hashes: list[str] | None) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(one) for one in hashes or ())


def root(size: int) -> bytes:
    return Frontier.of(size, STORE.nodes(size)).root()


def some(size: int, chosen: random.Random) -> list[int]:
    """Return numbers below *size*: all of them, or both ends and some between."""
    return list(range(size)) if size < 20 else sorted({0, 1, size - 2, size - 1, *chosen.sample(range(size), 8)})


def records() -> Iterator[tuple[int, int]]:
    chosen = random.Random(1)
    for size in SIZES:
        for index in some(size, chosen):
            yield size, index


def trees() -> Iterator[tuple[int, int]]:
    chosen = random.Random(2)
    for size in SIZES:
        for old in some(size, chosen):
            yield size, old + 1


def accepted(answers: list[Any]) -> list[bool]:
    return [answer["Error"] == "" for answer in answers]


def test_roots_and_proofs_that_go_makes(go: Ask) -> None:
    inclusions, growths = list(records()), list(trees())
    answers = go(
        [
            GROW,
            *({"Op": "root", "Size": size} for size in SIZES),
            *({"Op": "prove record", "Size": size, "Index": index} for size, index in inclusions),
            *({"Op": "prove tree", "Size": size, "Old": old} for size, old in growths),
        ]
    )[1:]
    assert all(accepted(answers))
    for size in SIZES:
        assert base64.b64decode(answers.pop(0)["Hash"]) == root(size)
    for size, index in inclusions:
        hashes = decoded(answers.pop(0)["Hashes"])
        assert hashes == inclusion_proof(index, size, STORE.nodes(size))
        verify_inclusion(LEAVES[index], index, size, hashes, root(size))
    for size, old in growths:
        hashes = decoded(answers.pop(0)["Hashes"])
        assert hashes == consistency_proof(old, size, STORE.nodes(size))
        verify_consistency(old, root(old), size, root(size), hashes)


def inclusion_request(size: int, index: int, hashes: tuple[bytes, ...], leaf: bytes) -> Request:
    return {
        "Op": "check record",
        "Size": size,
        "Root": encode_base64(root(size)),
        "Index": index,
        "Leaf": encode_base64(leaf),
        "Proof": encoded(hashes),
    }


def consistency_request(size: int, old: int, hashes: tuple[bytes, ...], before: bytes) -> Request:
    return {
        "Op": "check tree",
        "Size": size,
        "Root": encode_base64(root(size)),
        "Old": old,
        "Before": encode_base64(before),
        "Proof": encoded(hashes),
    }


def altered(hashes: tuple[bytes, ...], chosen: random.Random) -> tuple[bytes, ...]:
    """Return a proof with one hash more, one less, one changed, or two swapped; or the same."""
    changed = list(hashes)
    kind = chosen.randrange(5)
    if kind == 0:
        changed.insert(chosen.randrange(len(changed) + 1), chosen.choice([*hashes, LEAVES[0]]))
    elif changed and kind == 1:
        changed.pop(chosen.randrange(len(changed)))
    elif changed and kind == 2:
        changed[chosen.randrange(len(changed))] = LEAVES[0]
    elif kind == 3:
        chosen.shuffle(changed)
    return tuple(changed)


def holds(check: Callable[..., None], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except TlogError:
        return False
    return True


def test_go_accepts_the_proofs_made_here_and_the_same_altered_ones(go: Ask) -> None:
    chosen = random.Random(3)
    requests: list[Request] = []
    verdicts: list[bool] = []
    for size, index in records():
        hashes = inclusion_proof(index, size, STORE.nodes(size))
        requests.append(inclusion_request(size, index, hashes, LEAVES[index]))
        verdicts.append(True)
        other = index if chosen.random() < 0.7 else chosen.randrange(size)
        hashes = altered(hashes, chosen)
        requests.append(inclusion_request(size, other, hashes, LEAVES[index]))
        verdicts.append(holds(verify_inclusion, LEAVES[index], other, size, hashes, root(size)))
    for size, old in trees():
        hashes = consistency_proof(old, size, STORE.nodes(size))
        requests.append(consistency_request(size, old, hashes, root(old)))
        verdicts.append(True)
        other = old if chosen.random() < 0.7 else chosen.randrange(size) + 1
        hashes = altered(hashes, chosen)
        requests.append(consistency_request(size, other, hashes, root(old)))
        verdicts.append(holds(verify_consistency, other, root(old), size, root(size), hashes))
    assert accepted(go(requests)) == verdicts
    assert 500 < verdicts.count(False) < 0.5 * len(verdicts)


def test_tiles_are_gos(go: Ask) -> None:
    tiles = [(level, index) for level, count in ((0, 274), (1, 2), (2, 1)) for index in range(count)]
    widths = {tile: len(STORE.nodes(70_000).tile(*tile)) for tile in tiles}
    answers = go([GROW, *({"Op": "tile", "Level": t[0], "Index": t[1], "Width": widths[t]} for t in tiles)])[1:]
    assert all(accepted(answers))
    for tile, answer in zip(tiles, answers, strict=True):
        assert base64.b64decode(answer["Data"]) == b"".join(STORE.nodes(70_000).tile(*tile))


def open_request(note: bytes, *keys: VerifierKey) -> Request:
    return {"Op": "open", "Note": encode_base64(note), "Keys": [str(key) for key in keys]}


def test_go_opens_checkpoints_that_were_signed_here(go: Ask) -> None:
    notes = [signed(checkpoint(size)).sign(STRANGER).to_bytes() for size in (1, 2, 255, 256, 300)]
    keys = (LOG.verifier, *(w.verifier for w in WITNESSES))
    for note, answer in zip(notes, go([open_request(note, *keys) for note in notes]), strict=True):
        assert answer["Error"] == ""
        assert answer["Text"] == Note.parse(note).text
        assert answer["Names"] == [key.name for key in keys]
        assert answer["Times"] == [0, TIME, TIME + 1, TIME + 2]
    # Control: what was signed is what was opened.
    changed = notes[-1].replace(b"\n300\n", b"\n301\n")
    assert changed != notes[-1]
    for key in keys:
        (answer,) = go([open_request(changed, key)])
        assert answer["Error"].startswith("invalid signature")


def test_go_reads_the_text_of_checkpoints(go: Ask) -> None:
    # Go's tree heads are checkpoints with an origin of its own.
    made = [Checkpoint("go.sum database tree", size, root(size)) for size in SIZES]
    requests = [{"Op": "parse tree", "Note": encode_base64(str(one).encode())} for one in made]
    for one, answer in zip(made, go(requests), strict=True):
        assert (answer["Error"], answer["Text"]) == ("", str(one.size))
        assert base64.b64decode(answer["Hash"]) == one.root


def test_what_go_signs_is_verified_here(go: Ask) -> None:
    texts = ["text\n", "a\n\nb\n", "\u00e9\u2014 \n", str(checkpoint())]
    secrets = [LOG, STRANGER, *WITNESSES]
    requests = [{"Op": "sign", "Text": t, "Keys": [k.reveal() for k in secrets], "Time": TIME + 9} for t in texts]
    for text, answer in zip(texts, go(requests), strict=True):
        note = Note.parse(base64.b64decode(answer["Note"]))
        assert note.text == text
        verified = note.verify([key.verifier for key in secrets])
        assert [v.key for v in verified] == [key.verifier for key in secrets]
        assert [v.time for v in verified] == [None, None, TIME + 9, TIME + 9, TIME + 9]
        # Ed25519 leaves nothing to chance: here the same bytes are signed.
        here = Note(text)
        for key in secrets:
            here = here.sign(key, TIME + 9 if key.type is KeyType.COSIGNATURE else None)
        assert here == note


def test_keys_that_go_makes_are_read_here(go: Ask) -> None:
    names = [f"log{number}.example/\u00e9" for number in range(20)]
    for name, answer in zip(names, go([{"Op": "generate", "Text": name} for name in names]), strict=True):
        key = SigningKey.parse(answer["Secret"])
        assert (key.name, key.reveal(), str(key.verifier)) == (name, answer["Secret"], answer["Key"])
        assert VerifierKey.parse(answer["Key"]) == key.verifier


def test_what_is_opened_here_go_opens_the_same(go: Ask) -> None:
    """Of notes with a few bytes changed, none is taken here that Go refuses; what Go alone takes is told why."""
    chosen = random.Random(4)
    keys = (LOG.verifier, WITNESSES[0].verifier)
    right = signed(checkpoint()).sign(STRANGER).to_bytes()
    pieces = [b"", b"\n", b"\n\n", b" ", b"+", b"=", b"\t", b"\x7f", b"\xff"]
    pieces += [space.encode() for space in ("\u00a0", "\u2028", "\u2014 ")]
    lines = right.split(b"\n\n")[1].splitlines(keepends=True)
    pieces += lines
    # What Go takes: a second signature by a key, which is wrong, and base64 with bits set that mean nothing.
    second = lines[0][:-10] + bytes([lines[0][-10] ^ 1]) + lines[0][-9:]
    spelled = lines[-1][:-3] + bytes([lines[-1][-3] + 1]) + lines[-1][-2:]
    notes = [right, right + second, right.replace(lines[-1], spelled)]
    for _ in range(8000):
        data = right
        for _ in range(chosen.randrange(1, 3)):
            start = chosen.randrange(len(data) + 1)
            if chosen.random() < 0.6:
                start = data.rfind(b"\n", 0, start) + 1
            stop = min(len(data), start + chosen.choice([0, 0, 1, 2]))
            data = data[:start] + chosen.choice(pieces) + data[stop:]
        notes.append(data)
    answers = go([open_request(data, *keys) for data in notes])
    both, only_go = 0, list[str]()
    for data, answer in zip(notes, answers, strict=True):
        try:
            note = Note.parse(data)
            here = [v.key.name for v in note.verify(keys)]
        except TlogError as error:
            if answer["Error"] == "":
                only_go.append(str(error))
            continue
        if here:
            both += 1
            assert (answer["Error"], answer["Text"], answer["Names"]) == ("", note.text, here), data
        else:
            assert answer["Error"] == "note has no verifiable signatures", data
    assert both > 300
    assert [("is wrong" in error, "canonical" in error) for error in only_go[:2]] == [(True, False), (False, True)]
    assert all("is wrong" in error or "canonical" in error for error in only_go)
