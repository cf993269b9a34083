"""K-center greedy against the distance matrix, against the best centres, and against published rows."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms import kcenter as module
from curation_assets.algorithms.kcenter import kcenter
from curation_assets.errors import SchemaError
from tests.conftest import SHARED


def made_up(n: int, d: int, seed: int, kind: str = "any") -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = {
        "any": lambda: rng.normal(size=(n, d)),
        "grid": lambda: rng.integers(-1, 2, (n, d)),  # ties and copies
        "equal": lambda: np.ones((n, d)),
        "unit": lambda: (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))(rng.normal(size=(n, d))).astype(np.float16),
    }[kind]()
    return rows.astype(np.float32)


KINDS = st.sampled_from(["any", "grid", "equal", "unit"])


def oracle(vectors: np.ndarray, initial: list[int], budget: int) -> tuple[list[int], list[float]]:
    """Every pick looks at the whole matrix of distances between picked rows and the rest."""
    squares = [[sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True)) for y in vectors] for x in vectors]
    picked, radius = list(initial), []
    while len(picked) < min(len(vectors), len(initial) + budget):
        rest = [i for i in range(len(vectors)) if i not in picked]
        away = {i: min(squares[i][j] for j in picked) for i in rest}
        picked.append(min(rest, key=lambda i: (-away[i], i)))
        radius.append(away[picked[-1]] ** 0.5)
    return picked[len(initial) :], radius


@pytest.mark.parametrize("kind", ["grid", "equal", "unit"])
@pytest.mark.parametrize(("n", "initial", "budget"), [(1, [0], 3), (2, [1], 1), (25, [4, 9], 30), (30, [7], 12)])
def test_against_the_matrix_of_distances(n: int, initial: list[int], budget: int, kind: str):
    vectors = made_up(n, 3, n, kind)
    found = kcenter(vectors, np.array(initial), budget)
    rows, radius = oracle(vectors, initial, budget)
    assert found.rows.tolist() == rows
    np.testing.assert_allclose(found.radius, radius, atol=1e-12)
    picked = [*initial, *rows]
    expected = [np.linalg.norm(vectors[picked].astype(np.float64) - row, axis=1).min() for row in vectors]
    np.testing.assert_allclose(found.distance, expected, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 9), KINDS, st.data())
@settings(deadline=None)
def test_neither_block_size_nor_budget_changes_a_bit(n: int, budget: int, block_rows: int, kind: str, data: st.DataObject):
    vectors, initial = made_up(n, 4, n, kind), np.array([data.draw(st.integers(0, n - 1))])
    whole = kcenter(vectors, initial, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_ROWS", block_rows)
        blocks = kcenter(vectors, initial, n)
    assert [a.tobytes() for a in blocks] == [a.tobytes() for a in whole]
    prefix = kcenter(vectors, initial, budget)
    assert prefix.rows.tolist() == whole.rows[:budget].tolist()
    assert prefix.radius.tobytes() == whole.radius[:budget].tobytes()
    continued = kcenter(vectors, np.concatenate([initial, prefix.rows]), n)
    assert continued.rows.tolist() == whole.rows[budget:].tolist()


@given(st.integers(1, 40), KINDS, st.data())
@settings(deadline=None)
def test_what_is_left_uncovered_shrinks(n: int, kind: str, data: st.DataObject):
    found = kcenter(made_up(n, 5, n, kind), np.array([data.draw(st.integers(0, n - 1))]), data.draw(st.integers(0, n)))
    assert (np.diff(found.radius) <= 0).all()
    assert len(found.radius) == 0 or found.distance.max() <= found.radius[-1]


@given(st.integers(2, 30), st.integers(0, 30), st.data())
@settings(deadline=None)
def test_row_order_decides_ties_alone(n: int, seed: int, data: st.DataObject):
    vectors = made_up(n, 6, seed, "any")  # no ties
    order = np.array(data.draw(st.permutations(range(n))))
    first = data.draw(st.integers(0, n - 1))
    found = kcenter(vectors[order], np.array([first]), n)
    assert order[found.rows].tolist() == kcenter(vectors, order[[first]], n).rows.tolist()


def test_it_covers_half_as_well_as_the_best_centres():
    for seed in range(20):
        vectors = made_up(9, 2, seed).astype(np.float64)
        distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
        best = min(distances[list(centres)].min(axis=0).max() for centres in itertools.combinations(range(9), 3))
        assert kcenter(vectors, np.array([0]), 2).distance.max() <= 2 * best + 1e-6


def test_distances_of_stored_embeddings_are_exact():
    # As whole multiples of 2**-24, in integers without any rounding.
    vectors = made_up(40, 512, 3, "unit")
    whole = (vectors.astype(np.float64) * 2**24).astype(np.int64).astype(object)
    found = kcenter(vectors, np.array([0]), 20)
    picked = [0, *found.rows.tolist()]
    squares = [min(int(((row - whole[j]) ** 2).sum()) for j in picked) for row in whole]
    assert found.distance.tolist() == np.sqrt(np.array(squares, np.float64) * 2.0**-48).tolist()


def test_centres_that_float32_cannot_tell_apart_are_told_apart():
    vectors = np.abs(made_up(200, 512, 5, "unit")).astype(np.float16)
    smallest = np.abs(vectors[0]).argsort()[:9]
    vectors[1] = vectors[0]
    vectors[1, smallest] = np.nextafter(vectors[0, smallest], np.float16([0, 1] * 5)[:9])
    vectors = vectors.astype(np.float32)
    whole = (vectors.astype(np.float64) * 2**24).astype(np.int64).astype(object)
    squares = [[int(((row - whole[centre]) ** 2).sum()) for centre in (0, 1)] for row in whole]
    gap = np.array([abs(a - b) for a, b in squares[2:]], np.float64) * 2.0**-48
    assert np.median(gap) < 512 * 2.0**-24, "within the rounding error of a float32 product"
    found = kcenter(vectors, np.array([0, 1]), 0)
    assert found.distance.tolist() == np.sqrt(np.array([min(pair) for pair in squares], np.float64) * 2.0**-48).tolist()


def test_copies_come_last_and_lie_on_what_is_picked():
    found = kcenter(np.repeat(made_up(5, 600, 1, "unit"), 2, axis=0), np.array([3]), 99)
    assert found.radius[-5:].tolist() == [0] * 5
    assert found.rows[-5:].tolist() == [1, 2, 5, 7, 9]  # of each pair the lower index is picked first


@pytest.mark.parametrize(("initial", "message"), [([], "found \\[\\]"), ([-1], "-1"), ([3], "from 0 to 2")])
def test_rows_that_do_not_exist_are_refused(initial: list[int], message: str):
    with pytest.raises(SchemaError, match=message):
        kcenter(np.eye(3, dtype=np.float32), np.array(initial, int), 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e30])
def test_vectors_without_a_distance_are_refused(wrong: float):
    with pytest.raises(SchemaError, match="row 1 has norm"):
        kcenter(np.float32([[0], [wrong]]), np.array([0]), 1)


def test_rows_of_the_reference():
    folder = SHARED / "vectors" / "kcenter"
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}")
    vectors, cases = np.load(folder / "X.npy"), json.loads((folder / "expected.json").read_text())
    assert len(cases) == 3
    for case in cases:
        assert kcenter(vectors, np.array(case["seed"]), case["budget"]).rows.tolist() == case["selected"]
