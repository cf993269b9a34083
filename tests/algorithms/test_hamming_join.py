"""The Hamming join against all pairs counted one by one, whatever the plan and the block."""

import numpy as np
import pytest

from curation_assets.algorithms import hamming_join
from curation_assets.algorithms.hamming_join import hamming_pairs
from curation_assets.errors import ArgumentError

Triple = tuple[int, int, int]


def hashes(n: int, seed: int) -> np.ndarray:
    """Random hashes, half of them a few bits beside another one."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(-(2**63), 2**63 - 1, n)
    for row in range(n // 2, n):
        for bit in rng.integers(0, 64, rng.integers(0, 12)):
            drawn[row] = drawn[row - n // 2] ^ (np.int64(1) << bit) if bit % 2 else drawn[row] ^ (np.int64(1) << bit)
    return drawn


def oracle(left: np.ndarray, right: np.ndarray | None, radius: int) -> list[Triple]:
    found = []
    for i, one in enumerate(left.tolist()):
        for j, other in enumerate((left if right is None else right).tolist()):
            distance = bin((one ^ other) % 2**64).count("1")
            if distance <= radius and (right is not None or i < j):
                found.append((i, j, distance))
    return sorted(found)


def joined(left: np.ndarray, right: np.ndarray | None, radius: int, block_pairs: int = 1 << 21) -> list[Triple]:
    blocks = list(hamming_pairs(left, right, radius=radius, block_pairs=block_pairs))
    assert all(len(block.left) for block in blocks)
    return sorted(triple for block in blocks for triple in zip(*(part.tolist() for part in block), strict=True))


# With costly look-ups all pairs are compared; with free ones few wide parts are looked up with many flipped bits.
@pytest.mark.parametrize("cost", [1e9, 2.0, 1e-9])
@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 8])
def test_against_all_pairs(cost: float, radius: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hamming_join, "_PROBE_COST", cost)
    drawn = hashes(120, radius)
    assert joined(drawn, None, radius) == oracle(drawn, None, radius)
    assert joined(drawn[:25], drawn[10:], radius) == oracle(drawn[:25], drawn[10:], radius)


def test_wide_radii_against_all_pairs():
    drawn = hashes(150, 9)
    for radius in (10, 16):
        assert joined(drawn, None, radius) == oracle(drawn, None, radius)


@pytest.mark.parametrize("block_pairs", [1, 7, 1000])
def test_the_block_decides_nothing(block_pairs: int):
    drawn = np.concatenate([hashes(100, 1), np.zeros(30, np.int64)])
    assert joined(drawn, None, 3, block_pairs) == joined(drawn, None, 3)


def test_blocks_are_bounded_where_all_hashes_are_equal():
    sizes = [len(block.left) for block in hamming_pairs(np.zeros(300, np.int64), radius=2, block_pairs=500)]
    assert sum(sizes) == 300 * 299 // 2
    assert max(sizes) <= 500


def test_every_plan_finds_every_pattern_of_flipped_bits():
    """The pigeonhole, directly: radii of the parts leave no way to be within the radius and outside every part."""
    for radius in range(17):
        for m in (1, 1000, 10**6, 10**9):
            parts = hamming_join._plan(radius, m)
            covered = sum(part.bits for part in parts)
            assert covered in (0, 64)
            assert covered == 0 or sum(part.radius + 1 for part in parts) == radius + 1


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (1, 1)])
def test_few_hashes(n: int, m: int):
    drawn = np.arange(5)
    assert joined(drawn[:n], drawn[:m], 3) == oracle(drawn[:n], drawn[:m], 3)
    assert joined(drawn[:n], None, 3) == oracle(drawn[:n], None, 3)


def test_radii_out_of_range_are_refused():
    with pytest.raises(ArgumentError, match="0 to 16 bits; found 17"):
        list(hamming_pairs(np.arange(2), radius=17))
