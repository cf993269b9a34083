"""The best of many vectors for each row, against loops in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.assignment import assigned, largest_product
from curation_assets.errors import SchemaError

# Few whole numbers, so that ties are common and every product is exact.
entries = st.integers(-3, 3)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    d = draw(st.integers(1, 4))
    rows, others = (draw(st.lists(st.lists(entries, min_size=d, max_size=d), min_size=1, max_size=9)) for _ in range(2))
    return np.array(rows, np.float32), np.array(others, np.float32)


def product(a: np.ndarray, b: np.ndarray) -> Fraction:
    return sum((Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)), Fraction(0))


def first_best(values: list[Fraction]) -> int:
    return values.index(max(values))


@given(matrices(), st.booleans(), st.sampled_from([(1024, 4096), (2, 3), (1, 1)]))
@settings(deadline=None, max_examples=200)
def test_the_largest_product_against_loops(pair: tuple[np.ndarray, np.ndarray], is_absolute: bool, blocks: tuple[int, int]):
    rows, others = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation_assets.algorithms.assignment._BLOCK_ROWS", blocks[0])
        patch.setattr("curation_assets.algorithms.assignment._BLOCK_OTHERS", blocks[1])
        best, which = largest_product(rows, others, is_absolute=is_absolute)
    for i, row in enumerate(rows):
        values = [product(row, other) for other in others]
        values = [abs(value) for value in values] if is_absolute else values
        assert (best[i], which[i]) == (max(values), first_best(values))


@given(matrices())
@settings(deadline=None, max_examples=200)
def test_each_measure_finds_its_nearest(pair: tuple[np.ndarray, np.ndarray]):
    rows, centroids = pair
    by_product, by_distance = assigned(rows, centroids, "inner_product"), assigned(rows, centroids, "euclidean")
    for i, row in enumerate(rows):
        assert by_product[i] == first_best([product(row, c) for c in centroids])
        assert by_distance[i] == first_best([-product(row - c, row - c) for c in centroids])


def test_cosine_is_the_angle_whatever_the_length():
    rng = np.random.default_rng(0)
    rows, centroids = rng.normal(size=(50, 5)), rng.normal(size=(9, 5))
    angles = [[np.arccos(r @ c / np.linalg.norm(r) / np.linalg.norm(c)) for c in centroids] for r in rows]
    expected = np.argmin(angles, axis=1)
    lengths = rng.uniform(0.1, 10, (9, 1))
    assert np.array_equal(assigned(rows, centroids * lengths), expected)
    assert not np.array_equal(assigned(rows, centroids * lengths, "inner_product"), expected), "a long centroid attracts"


def test_products_of_half_precision_vectors_do_not_depend_on_their_neighbours():
    rows = np.random.default_rng(1).normal(size=(200, 96))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    whole = largest_product(rows, rows[:77])[0]
    split = np.concatenate([largest_product(rows[i : i + 7], rows[:77])[0] for i in range(0, 200, 7)])
    assert split.tobytes() == whole.tobytes()


def test_nothing_to_compare_with_is_refused():
    with pytest.raises(SchemaError, match="compared with 0 vectors of length 3: at least one vector is needed"):
        largest_product(np.ones((2, 3)), np.ones((0, 3)))
    with pytest.raises(SchemaError, match="rows of length 3 are compared with 2 vectors of length 4"):
        assigned(np.ones((2, 3)), np.ones((2, 4)), "euclidean")
    with pytest.raises(SchemaError, match="centroid 1 is zero and has no direction"):
        assigned(np.ones((1, 2)), np.float32([[1, 0], [0, 0]]))
