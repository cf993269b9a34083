"""The nearest preferred vector against Python's exact sums, whatever the block and whatever was compared before."""

from fractions import Fraction

import numpy as np
import pytest

from curation_assets.algorithms.nearest_preferred import Nearest, nearest_preferred


def unit_rows(n: int, d: int, seed: int, copies: int = 0) -> np.ndarray:
    """Unit rows as they are stored (float16), the last of them copies of earlier ones or a rounding error beside them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    for row in range(n - copies, n):
        rows[row] = rows[rng.integers(0, n - copies)]
        if row % 2:
            rows[row] = np.nextafter(rows[row], np.float32(2))
    return rows[rng.permutation(n)]


def oracle(vectors: np.ndarray, is_new: np.ndarray | None = None) -> Nearest:
    similarity, index = np.full(len(vectors), -1, np.float32), np.arange(len(vectors))
    for row, vector in enumerate(vectors.tolist()):
        for column in range(row):
            if is_new is not None and not is_new[row] and not is_new[column]:
                continue
            exact = sum(Fraction(a) * Fraction(b) for a, b in zip(vector, vectors[column].tolist(), strict=True))
            rounded = np.float32(max(min(float(exact), 1.0), -1.0))
            if rounded > similarity[row] or index[row] == row:
                similarity[row], index[row] = rounded, column
    return Nearest(similarity, index)


def assert_same(found: Nearest, expected: Nearest) -> None:
    assert found.similarity.dtype == np.float32
    assert found.similarity.tobytes() == expected.similarity.tobytes()
    assert found.index.tolist() == expected.index.tolist()


@pytest.mark.parametrize(("n", "d", "copies"), [(1, 4, 0), (2, 1, 0), (40, 2, 10), (50, 24, 20), (40, 1, 0)])
def test_against_exact_sums(n: int, d: int, copies: int):
    vectors = unit_rows(n, d, n, copies)
    assert_same(nearest_preferred(vectors), oracle(vectors))
    is_new = np.random.default_rng(1).random(n) < 0.4
    assert_same(nearest_preferred(vectors, is_new, 7), oracle(vectors, is_new))


@pytest.mark.parametrize("block_rows", [1, 3, 64, 300])
def test_the_block_does_not_decide_a_bit(block_rows: int):
    vectors = unit_rows(250, 96, 3, 100)
    assert_same(nearest_preferred(vectors, None, block_rows), nearest_preferred(vectors))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_old_and_new_together_are_the_whole(share: float):
    vectors = unit_rows(200, 32, 5, 90)
    is_new = np.random.default_rng(2).random(200) < share
    whole, added, old = nearest_preferred(vectors), nearest_preferred(vectors, is_new, 33), np.flatnonzero(~is_new)
    former = nearest_preferred(vectors[old]) if len(old) else Nearest(np.zeros(0, np.float32), old)
    for place, row in enumerate(old):
        known = former.similarity[place], -old[former.index[place]]
        if former.index[place] != place and (known > (added.similarity[row], -added.index[row]) or added.index[row] == row):
            added.similarity[row], added.index[row] = known[0], -known[1]
    assert_same(added, whole)


def test_rows_that_are_all_equal_have_the_first_as_neighbour():
    found = nearest_preferred(np.tile(unit_rows(1, 64, 0), (500, 1)), None, 50)
    assert found.index.tolist() == [0] * 500
    assert found.similarity[0] == -1
    assert (np.abs(found.similarity[1:] - 1) < 1e-3).all()


def test_norms_a_little_above_one_count_as_one():
    vectors = np.float32([[1.0005, 0], [1.0, 0], [1.0015, 0]])
    found = nearest_preferred(vectors)
    assert found.similarity.tolist() == [-1, 1, 1]
    assert found.index.tolist() == [0, 0, 0]
