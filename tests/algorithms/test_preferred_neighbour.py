"""The most similar preferred row: what is known stays unless something nearer comes, and the screen misses nothing."""

import numpy as np
import pytest

from curation_assets.algorithms.preferred_neighbour import Nearest, compare


def unit_rows(n: int, d: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(n * d)
    rows = rng.normal(size=d) + spread * rng.normal(size=(n, d))
    return np.float32(np.float16(rows / np.linalg.norm(rows, axis=1, keepdims=True)))


def reference(vectors: np.ndarray, order: np.ndarray) -> Nearest:
    """All products at once in float64, which holds them exactly for vectors in float16 precision."""
    products = np.tril(vectors[order].astype(np.float64) @ vectors[order].T.astype(np.float64), -1)
    products = np.float32(np.clip(products, 0, 1))
    place = np.where(products.max(axis=1) > 0, products.argmax(axis=1), np.arange(len(order)))
    return Nearest(products.max(axis=1), place)


@pytest.mark.parametrize("spread", [1e-4, 1e-3, 0.1, 10])
@pytest.mark.parametrize("n", [1, 300, 1500])
def test_against_all_products_at_once(n: int, spread: float):
    # With a small spread nearly all pairs lie within the rounding of float32, so that they are decided exactly.
    vectors, order = unit_rows(n, 40, spread), np.random.default_rng(1).permutation(n)
    known, places = Nearest.nothing(n), np.arange(n)
    compare(vectors, order, places, places, known)
    expected = reference(vectors, order)
    assert np.array_equal(known.similarity, expected.similarity)
    assert np.array_equal(known.place, expected.place)


def test_any_cover_of_the_pairs_gives_the_same():
    vectors, order, places = unit_rows(200, 5, 0.001), np.arange(200), np.arange(200)
    known = Nearest.nothing(200)
    for rows in (places[1::2], places[::2]):
        for others in (places[100:], places[:100][::3], places[:150]):
            compare(vectors, order, rows, others, known)
    assert np.array_equal(known.similarity, reference(vectors, order).similarity)
    assert np.array_equal(known.place, reference(vectors, order).place)


def test_orthogonal_rows_have_no_neighbour():
    vectors, places = np.eye(70, dtype=np.float32), np.arange(70)
    known = Nearest.nothing(70)
    compare(vectors, places, places, places, known)
    assert not known.similarity.any()
    assert np.array_equal(known.place, places)


def test_no_rows_or_no_others_change_nothing():
    known, places = Nearest.nothing(3), np.arange(3)
    compare(np.eye(3, dtype=np.float32), places, places[:0], places, known)
    compare(np.eye(3, dtype=np.float32), places, places, places[:0], known)
    assert known.place.tolist() == [0, 1, 2]
