"""Pairs of alike pictures against all pairs, and what copies of a picture give."""

import numpy as np
import pytest

from curation_assets.algorithms.perceptual_hash import PerceptualHashes, perceptual_hashes
from curation_assets.algorithms.perceptual_pairs import perceptual_distances, perceptual_pairs


def drawn_hashes(n: int, seed: int) -> PerceptualHashes:
    """Hashes around a few centres, so that every distance occurs; mirrored ones are drawn by themselves."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(-(2**63), 2**63 - 1, (3, 10))
    words = centres[rng.integers(0, 3, n)]
    words[:, 1] = np.where(rng.random(n) < 0.5, words[:, 1], centres[rng.integers(0, 3, n), 0])
    words[:, 6:] = np.where(rng.random((n, 1)) < 0.5, words[:, 6:], words[:, 2:6])
    for _ in range(4):
        words ^= np.where(rng.random(words.shape) < 0.5, np.int64(1) << rng.integers(0, 63, words.shape), 0)
    return PerceptualHashes(words[:, 0], words[:, 1], words[:, 2:])


def bits(one: int, other: int) -> int:
    return bin((int(one) ^ int(other)) % 2**64).count("1")


def distance(hashes: PerceptualHashes, i: int, j: int) -> int:
    """The definition for one pair: plain to plain, plain to mirrored, mirrored to plain."""

    def one(a: tuple[int, np.ndarray], b: tuple[int, np.ndarray]) -> int:
        detail = sum(bits(x, y) for x, y in zip(a[1], b[1], strict=True))
        return max(bits(a[0], b[0]), (detail + 3) // 4)

    plain = [(hashes.plain[row], hashes.detail[row, :4]) for row in (i, j)]
    mirrored = [(hashes.mirrored[row], hashes.detail[row, 4:]) for row in (i, j)]
    return min(one(plain[0], plain[1]), one(plain[0], mirrored[1]), one(mirrored[0], plain[1]))


@pytest.mark.parametrize("radius", [0, 2, 4, 6])
@pytest.mark.parametrize("share_new", [None, 0.0, 0.3, 1.0])
def test_against_all_pairs(radius: int, share_new: float | None):
    hashes = drawn_hashes(60, radius)
    is_new = None if share_new is None else np.random.default_rng(1).random(60) < share_new
    found: dict[tuple[int, int], int] = {}
    for pairs in perceptual_pairs(hashes, radius, is_new):
        for i, j, apart in zip(*(part.tolist() for part in pairs), strict=True):
            pair = min(i, j), max(i, j)
            found[pair] = min(apart, found.get(pair, 99))
    wanted = {(i, j): distance(hashes, i, j) for i in range(60) for j in range(i + 1, 60)}
    wanted = {pair: d for pair, d in wanted.items() if d <= radius and (is_new is None or is_new[list(pair)].any())}
    assert found == wanted
    assert is_new is not None or radius < 4 or wanted, "the test would find nothing to compare"


def test_distances_to_one_picture_are_those_of_the_definition():
    hashes = drawn_hashes(60, 3)
    for i in range(0, 60, 7):
        one = PerceptualHashes(*(part[i : i + 1] for part in hashes))
        assert perceptual_distances(one, hashes).tolist() == [distance(hashes, i, j) for j in range(60)]
    assert perceptual_distances(one, PerceptualHashes(*(part[:0] for part in hashes))).shape == (0,)


def test_a_flipped_picture_is_a_copy_and_a_different_one_is_none():
    rng = np.random.default_rng(0)
    drawn = np.kron(rng.integers(0, 255, (2, 8, 8)), np.ones((4, 4))).astype(np.uint8)
    found = list(perceptual_pairs(perceptual_hashes(np.stack([drawn[0], drawn[0, :, ::-1], drawn[1]])), 10))
    assert {(*sorted((int(i), int(j))), int(d)) for pairs in found for i, j, d in zip(*pairs, strict=True)} == {(0, 1, 0)}
