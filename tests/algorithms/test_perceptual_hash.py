"""Perceptual hashes against the DCT written as loops, and their bits whatever the batch."""

import math

import numpy as np
import pytest

from curation_assets.algorithms.perceptual_hash import detail_bytes, detail_words, hamming_distance, perceptual_hashes
from curation_assets.errors import SchemaError


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Smooth areas under noise, so that low frequencies differ."""
    rng = np.random.default_rng(seed)
    areas = np.kron(rng.integers(0, 200, (n, 4, 4)), np.ones((8, 8)))
    return (areas + rng.integers(0, 50, (n, 32, 32))).astype(np.uint8)


def frequencies(picture: np.ndarray, size: int) -> list[list[float]]:
    """The low frequencies of one picture, straight from the definition of the DCT-II, first along rows then columns."""
    cosine = [[math.cos(math.pi * k * (2 * x + 1) / 64) for x in range(32)] for k in range(size)]
    along = [[sum(int(row[x]) * cosine[k][x] for x in range(32)) for k in range(size)] for row in picture]
    return [[sum(along[y][k] * cosine[f][y] for y in range(32)) for k in range(size)] for f in range(size)]


def oracle(picture: np.ndarray, size: int) -> str:
    flat = [value for row in frequencies(picture, size) for value in row]
    ordered = sorted(flat)
    median = (ordered[len(flat) // 2 - 1] + ordered[len(flat) // 2]) / 2
    return "".join("1" if value > median else "0" for value in flat)


def as_text(words: np.ndarray) -> str:
    return "".join(f"{int(word) % 2**64:064b}" for word in np.atleast_1d(words))


@pytest.mark.parametrize("n", [1, 6])
def test_against_loops(n: int):
    drawn = pictures(n, n)
    found = perceptual_hashes(drawn)
    for row in range(n):
        assert as_text(found.plain[row]) == oracle(drawn[row], 8)
        assert as_text(found.detail[row, :4]) == oracle(drawn[row], 16)


def test_the_mirrored_hash_is_the_hash_of_the_mirrored_picture():
    drawn = pictures(40)
    found, flipped = perceptual_hashes(drawn), perceptual_hashes(drawn[:, :, ::-1])
    assert (found.mirrored == flipped.plain).all()
    assert (found.detail == np.roll(flipped.detail, 4, axis=1)).all()
    assert (found.plain != found.mirrored).any()


def test_the_batch_does_not_decide(monkeypatch: pytest.MonkeyPatch):
    drawn = pictures(100)
    whole = perceptual_hashes(drawn)
    monkeypatch.setattr("curation_assets.algorithms.perceptual_hash._CHUNK_ROWS", 7)
    for part, expected in zip(perceptual_hashes(drawn), whole, strict=True):
        assert (part == expected).all()
    for row in range(0, 100, 9):
        assert perceptual_hashes(drawn[row : row + 1]).plain[0] == whole.plain[row]


def test_products_are_whole_numbers_that_float64_holds():
    # The largest sum there can be; beyond 2**53 the result would depend on the order of summation.
    from curation_assets.algorithms.perceptual_hash import _cosines

    cosines = np.abs(_cosines())
    assert (cosines == np.rint(cosines)).all()
    assert 255 * cosines.sum(axis=1).max() ** 2 < 2**53


def test_flat_pictures_are_told_apart_by_their_grey_alone():
    rng = np.random.default_rng(0)
    greys = np.array([0, 1, 127, 253, 255])
    found = perceptual_hashes(np.broadcast_to(greys[:, None, None], (5, 32, 32)).astype(np.uint8))
    assert set(found.plain.tolist()) == set(found.mirrored.tolist()) == {-(2**63)}
    assert [as_text(row[:4]) for row in found.detail] == [f"{grey:08b}"[::-1] * 32 for grey in greys.tolist()]
    assert (found.detail[:, :4] == found.detail[:, 4:]).all()
    noisy = perceptual_hashes((100 + rng.integers(0, 3, (20, 32, 32))).astype(np.uint8))
    assert set(noisy.plain.tolist()) == {-(2**63)}


def test_no_pictures_have_no_hashes():
    found = perceptual_hashes(np.zeros((0, 32, 32), np.uint8))
    assert [part.shape for part in found] == [(0,), (0,), (0, 8)]


def test_other_shapes_are_refused():
    with pytest.raises(SchemaError, match=r"shape \(n, 32, 32\); found float64 \(1, 8, 8\)"):
        perceptual_hashes(np.zeros((1, 8, 8)))


def test_hamming_distance_against_strings():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-(2**63), 2**63 - 1, (2, 50))
    expected = [sum(x != y for x, y in zip(as_text(one), as_text(other), strict=True)) for one, other in zip(a, b, strict=True)]
    assert hamming_distance(a, b).tolist() == expected


def test_details_are_stored_and_read_back():
    detail = perceptual_hashes(pictures(5)).detail
    stored = np.array([*detail_bytes(detail), b""], object)[:5]
    assert (detail_words(stored) == detail).all()
    with pytest.raises(SchemaError, match=r"64 bytes; lengths found: \[3\]"):
        detail_words(np.array([b"abc"], object))
