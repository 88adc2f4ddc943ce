"""The tree grows as RFC 6962 defines it, and proves from its stored hashes; no altered proof holds."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rlsguard.tlog import (
    EMPTY_ROOT,
    Frontier,
    Node,
    TiledNodes,
    TlogError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from tlog.trees import LEAVES, STORE, Store, mth, path, proof

SMALL = 300
HUGE = 2**63 - 1
unhurried = settings(deadline=None, max_examples=200)
edges = st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537])
sizes = st.one_of(st.integers(1, SMALL), st.integers(1, len(LEAVES)), edges)


def root(size: int) -> bytes:
    return Frontier.of(size, STORE.nodes(size)).root()


class Same:
    """A tree in which all leaves are equal, so that even the largest can be looked into."""

    def __init__(self) -> None:
        self.levels = [leaf_hash(b"")]
        while len(self.levels) < 64:
            self.levels.append(node_hash(self.levels[-1], self.levels[-1]))

    def hash_at(self, level: int, index: int) -> bytes:
        return self.levels[level]


def test_every_small_tree_is_as_defined() -> None:
    for size in range(130):
        nodes, top = STORE.nodes(size), mth(0, size)
        frontier = Frontier().extend(LEAVES[:size]).frontier
        assert frontier.root() == top
        assert Frontier.of(size, nodes) == frontier
        for index in range(size):
            assert list(inclusion_proof(index, size, nodes)) == path(index, size)
            verify_inclusion(LEAVES[index], index, size, path(index, size), top)
        for old in range(1, size + 1):
            assert list(consistency_proof(old, size, nodes)) == proof(old, size)
            verify_consistency(old, mth(0, old), size, top, proof(old, size))


@unhurried
@given(sizes, st.data())
def test_larger_trees_are_as_defined(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    nodes, top = STORE.nodes(size), mth(0, size)
    assert root(size) == top
    assert list(inclusion_proof(index, size, nodes)) == path(index, size)
    assert list(consistency_proof(old, size, nodes)) == proof(old, size)
    verify_inclusion(LEAVES[index], index, size, path(index, size), top)
    verify_consistency(old, mth(0, old), size, top, proof(old, size))


@given(st.lists(st.integers(0, 700), max_size=8))
def test_growing_in_steps_or_at_once_is_the_same(steps: list[int]) -> None:
    store, done = Store(), 0
    nodes: list[Node] = []
    for step in steps:
        grown = store.add(LEAVES[done : done + step])
        done += step
        nodes += grown.nodes
        assert grown.frontier.root() == mth(0, done)
        assert Frontier.from_bytes(grown.frontier.to_bytes()) == grown.frontier
    at_once = Frontier().extend(LEAVES[:done])
    assert store.frontier == at_once.frontier
    assert tuple(nodes) == at_once.nodes
    assert len(at_once.nodes) == done // 256


def test_stored_nodes_are_the_complete_subtrees_of_whole_tiles() -> None:
    nodes = {(node.level, node.index): node.hash for node in Frontier().extend(LEAVES).nodes}
    assert len(nodes) == len(LEAVES) // 2**8 + len(LEAVES) // 2**16
    for (level, index), stored in nodes.items():
        assert stored == mth(index << level, index + 1 << level)


@unhurried
@given(sizes, st.data())
def test_no_altered_inclusion_wrongholds(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    right = (LEAVES[index], index, size, list(inclusion_proof(index, size, STORE.nodes(size))), root(size))
    verify_inclusion(*right)
    leaf, _, _, hashes, top = right
    altered = data.draw(
        st.one_of(
            st.builds(lambda bit: (flip(leaf, bit), index, size, hashes, top), st.integers(0, 255)),
            st.builds(lambda bit: (leaf, index, size, hashes, flip(top, bit)), st.integers(0, 255)),
            st.builds(lambda other: (leaf, other, size, hashes, top), st.integers(-1, size + 1)),
            st.builds(lambda changed: (leaf, index, size, changed, top), alterations(hashes)),
        )
    )
    assume(altered != right)
    with pytest.raises(TlogError):
        verify_inclusion(*altered)


@unhurried
@given(sizes, st.data())
def test_no_altered_consistency_wrongholds(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    right = (old, root(old), size, root(size), list(consistency_proof(old, size, STORE.nodes(size))))
    verify_consistency(*right)
    _, before, _, after, hashes = right
    altered = data.draw(
        st.one_of(
            st.builds(lambda bit: (old, flip(before, bit), size, after, hashes), st.integers(0, 255)),
            st.builds(lambda bit: (old, before, size, flip(after, bit), hashes), st.integers(0, 255)),
            st.builds(lambda other: (other, before, size, after, hashes), st.integers(-1, size + 1)),
            st.builds(lambda changed: (old, before, size, after, changed), alterations(hashes)),
        )
    )
    assume(altered != right)
    with pytest.raises(TlogError):
        verify_consistency(*altered)


@given(st.integers(2, SMALL), st.integers(2, SMALL), st.data())
def test_a_wrongfor_another_size_does_not_lead_to_the_root(size: int, other: int, data: st.DataObject) -> None:
    assume(size != other)
    index = data.draw(st.integers(0, min(size, other) - 1))
    hashes = inclusion_proof(index, other, STORE.nodes(other))
    with pytest.raises(TlogError):
        verify_inclusion(LEAVES[index], index, size, hashes, root(size))


def test_a_tree_that_was_rewritten_is_not_consistent() -> None:
    rewritten = Store([*LEAVES[:50], LEAVES[0], *LEAVES[51:400]])
    assert rewritten.frontier.root() != root(400)
    for old in range(51, 400):
        with pytest.raises(TlogError):
            verify_consistency(
                old, root(old), 400, rewritten.frontier.root(), consistency_proof(old, 400, rewritten.nodes(400))
            )
    # Whoever saw it only before the change cannot tell.
    verify_consistency(50, root(50), 400, rewritten.frontier.root(), consistency_proof(50, 400, rewritten.nodes(400)))


def test_nothing_and_the_same() -> None:
    assert Frontier().root() == EMPTY_ROOT == mth(0, 0)
    assert consistency_proof(0, 9, STORE.nodes(9)) == consistency_proof(9, 9, STORE.nodes(9)) == ()
    verify_consistency(0, EMPTY_ROOT, 9, root(9), [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    verify_consistency(9, root(9), 9, root(9), [])
    for wrong in (
        (0, root(1), 9, root(9), []),
        (0, EMPTY_ROOT, 9, root(9), [root(9)]),
        (0, EMPTY_ROOT, 0, root(1), []),
        (9, root(9), 9, root(8), []),
        (9, root(9), 9, root(9), [root(9)]),
        (8, root(8), 9, root(9), []),
    ):
        with pytest.raises(TlogError):
            verify_consistency(*wrong)


@pytest.mark.parametrize("size", [HUGE, 2**62, 2**62 + 1, 2**32 - 1])
def test_the_largest_trees(size: int) -> None:
    nodes = Same()
    top = Frontier.of(size, nodes).root()
    for index in (0, 1, size // 3, size - 2, size - 1):
        hashes = inclusion_proof(index, size, nodes)
        assert len(hashes) <= 63
        verify_inclusion(leaf_hash(b""), index, size, hashes, top)
        with pytest.raises(TlogError):
            verify_inclusion(leaf_hash(b"x"), index, size, hashes, top)
    for old in (1, 2**31, size // 3, size - 1):
        hashes = consistency_proof(old, size, nodes)
        assert len(hashes) <= 64
        verify_consistency(old, Frontier.of(old, nodes).root(), size, top, hashes)
        with pytest.raises(TlogError):
            verify_consistency(old + 1, Frontier.of(old, nodes).root(), size, top, hashes)
    with pytest.raises(TlogError):
        Frontier.of(2**63, nodes)
    with pytest.raises(TlogError):
        Frontier.of(HUGE, nodes).extend([leaf_hash(b"")])


def test_a_wrongreads_few_tiles() -> None:
    store = Store(LEAVES)
    size = 69_999
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        store.reads.clear()
        inclusion_proof(index, size, store.nodes(size))
        assert len(store.reads) <= 6
        assert len(set(store.reads)) == len(store.reads)
    store.reads.clear()
    consistency_proof(33_333, size, store.nodes(size))
    assert len(store.reads) <= 6


def test_tiles_are_as_published() -> None:
    """The example of tlog-tiles, "Partial Tiles": 70,000 leaves."""
    nodes = STORE.nodes(70_000)
    assert nodes.tile(0, 272) == LEAVES[272 * 256 : 273 * 256]
    assert len(nodes.tile(0, 273)) == 112
    assert len(nodes.tile(1, 0)) == 256
    assert len(nodes.tile(1, 1)) == 17
    assert nodes.tile(1, 1)[0] == mth(256 * 256, 257 * 256)
    assert nodes.tile(2, 0) == (mth(0, 256 * 256),)
    for level, index in ((0, 274), (1, 2), (2, 1), (3, 0), (0, -1), (-1, 0)):
        with pytest.raises(TlogError):
            nodes.tile(level, index)


def test_what_the_tree_has_not_is_refused() -> None:
    nodes = STORE.nodes(100)
    for index, size in ((100, 100), (-1, 100), (0, 0), (0, -1), (0, 2**63)):
        with pytest.raises(TlogError):
            inclusion_proof(index, size, nodes)
        with pytest.raises(TlogError):
            verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])
    for old, new in ((2, 1), (-1, 1), (0, 2**63)):
        with pytest.raises(TlogError):
            consistency_proof(old, new, nodes)
    for level, index in ((0, 100), (1, 50), (7, 0), (-1, 0), (0, -1)):
        with pytest.raises(TlogError):
            nodes.hash_at(level, index)
    with pytest.raises(TlogError):
        inclusion_proof(0, 101, nodes)
    with pytest.raises(TlogError):
        STORE.nodes(-1)


@pytest.mark.parametrize("hashes", [(), LEAVES[:3], (*LEAVES[:3], b"short")])
def test_a_store_with_gaps_is_noticed(hashes: tuple[bytes, ...]) -> None:
    class Gaps:
        def hashes(self, level: int, start: int, stop: int) -> tuple[bytes, ...]:
            return hashes

    with pytest.raises(TlogError, match="not complete"):
        inclusion_proof(0, 4, TiledNodes(4, Gaps()))


def test_it_is_said_what_is_wrong() -> None:
    hashes, growth = inclusion_proof(5, 13, STORE.nodes(13)), consistency_proof(5, 13, STORE.nodes(13))
    for wrong, why in (
        ((*hashes, LEAVES[0]), "too many"),
        (hashes[:-1], "too few"),
        ((*hashes[:-1], LEAVES[0]), "does not lead to the root"),
    ):
        with pytest.raises(TlogError, match=why):
            verify_inclusion(LEAVES[5], 5, 13, wrong, root(13))
    for wrong, why in (
        ((*growth, LEAVES[0]), "too many"),
        (growth[:-1], "too few"),
        ((), "cannot be empty"),
        ((LEAVES[0], *growth[1:]), "root of the 5 leaves"),
        ((*growth[:-1], LEAVES[0]), "root of the 13 leaves"),
    ):
        with pytest.raises(TlogError, match=why):
            verify_consistency(5, root(5), 13, root(13), wrong)


def test_hashes_of_other_lengths_are_refused() -> None:
    short, right = b"x" * 31, LEAVES[0]
    with pytest.raises(TlogError):
        Frontier().extend([right, short])
    with pytest.raises(TlogError):
        Frontier(1, (short,))
    for wrong in ((short, 0, 2, [right], right), (right, 0, 2, [short], right), (right, 0, 2, [right], short)):
        with pytest.raises(TlogError, match="31 bytes"):
            verify_inclusion(*wrong)
    for other in ((1, short, 2, right, [right]), (1, right, 2, short, [right]), (1, right, 2, right, [short])):
        with pytest.raises(TlogError, match="31 bytes"):
            verify_consistency(*other)


@given(st.binary(max_size=200))
def test_a_frontier_is_read_or_refused(data: bytes) -> None:
    try:
        frontier = Frontier.from_bytes(data)
    except TlogError:
        return
    assert frontier.to_bytes() == data


def test_growing_takes_memory_for_a_batch_only() -> None:
    batch = LEAVES[:4096]
    frontier = Frontier()
    tracemalloc.start()
    for _ in range(30):
        frontier = frontier.extend(batch).frontier
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frontier.size == 30 * 4096
    assert peak < 2**20


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def alterations(hashes: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """One hash more, one less, two swapped, or one bit flipped."""
    places = st.integers(0, max(len(hashes) - 1, 0))
    one = st.one_of(st.sampled_from(LEAVES[:4]), st.sampled_from(hashes)) if hashes else st.sampled_from(LEAVES[:4])
    more = st.builds(lambda at, extra: [*hashes[:at], extra, *hashes[at:]], st.integers(0, len(hashes)), one)
    if not hashes:
        return more

    def flipped(at: int, bit: int) -> list[bytes]:
        return [*hashes[:at], flip(hashes[at], bit), *hashes[at + 1 :]]

    def swapped(a: int, b: int) -> list[bytes]:
        changed = list(hashes)
        changed[a], changed[b] = changed[b], changed[a]
        return changed

    return st.one_of(
        more,
        st.builds(lambda at: [*hashes[:at], *hashes[at + 1 :]], places),
        st.builds(swapped, places, places),
        st.builds(flipped, places, st.integers(0, 255)),
    )
