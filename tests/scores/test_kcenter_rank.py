"""The order in which k-center greedy picks pictures, by uid where nothing else decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.identity import keyed_bits
from curation_assets.errors import SchemaError
from curation_assets.scores.kcenter_rank import SCORE, kcenter_rank

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def made_up(n: int, seed: int, kinds: int) -> Rows:
    """Rows with as many different pictures, so that few of them make copies and ties."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(kinds, 4))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return rows[rng.integers(0, kinds, n)], rng.integers(-2, 2, n), rng.permutation(n) - n // 2


def oracle(rows: Rows, most: int, seed: int) -> tuple[list[int], list[float]]:
    """Loops over rows named by their unsigned uid."""
    vectors, hi, lo = rows
    n = len(vectors)
    uid = [(int(h) % 2**64, int(low) % 2**64) for h, low in zip(hi, lo, strict=True)]
    square = [[sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True)) for y in vectors] for x in vectors]
    bits = keyed_bits(hi, lo, seed=seed, method="kcenter_rank").tolist()
    picked = [min(range(n), key=lambda i: (bits[i], uid[i]))]
    rank, radius = [most] * n, [0.0] * n
    rank[picked[0]], radius[picked[0]] = 0, 4.0
    while len(picked) < min(n, most):
        away = {i: min(square[i][j] for j in picked) for i in range(n) if i not in picked}
        row = min(away, key=lambda i: (-away[i], uid[i]))
        rank[row], radius[row] = len(picked), away[row]
        picked.append(row)
    for i in set(range(n)) - set(picked):
        radius[i] = min(square[i][j] for j in picked)
    return rank, [r**0.5 for r in radius]


@pytest.mark.parametrize(("n", "kinds", "most"), [(1, 1, 5), (2, 1, 1), (20, 1, 7), (24, 5, 9), (24, 24, 99), (30, 30, 1)])
def test_against_loops(n: int, kinds: int, most: int):
    rows = made_up(n, n, kinds)
    found = kcenter_rank(*rows, most=most, seed=3)
    rank, radius = oracle(rows, most, 3)
    assert found["kcenter_rank"].tolist() == rank
    np.testing.assert_allclose(found["kcenter_radius"], np.float32(radius), atol=1e-6)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 40), st.data())
@settings(deadline=None)
def test_row_order_decides_nothing(n: int, kinds: int, most: int, data: st.DataObject):
    rows = made_up(n, n, kinds)
    order = np.array(data.draw(st.permutations(range(n))))
    whole, shuffled = kcenter_rank(*rows, most=most), kcenter_rank(*(column[order] for column in rows), most=most)
    assert all(shuffled[name].tobytes() == whole[name][order].tobytes() for name in whole)


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None)
def test_a_budget_is_a_prefix_of_every_larger_one(n: int, kinds: int, one: int, other: int):
    rows = made_up(n, n, kinds)
    small, large = (kcenter_rank(*rows, most=most) for most in sorted((one, other)))
    below = large["kcenter_rank"] < min(one, other)
    assert small["kcenter_rank"].tolist() == np.where(below, large["kcenter_rank"], min(one, other)).tolist()
    assert small["kcenter_radius"][below].tobytes() == large["kcenter_radius"][below].tobytes()
    assert int(below.sum()) == min(n, one, other)
    in_order = small["kcenter_radius"][np.argsort(small["kcenter_rank"], kind="stable")][: below.sum()]
    assert in_order[0] == 2
    assert (np.diff(in_order) <= 0).all()
    assert (small["kcenter_radius"][~below] <= in_order[-1]).all()


def test_the_seed_names_the_first_sample():
    rows = made_up(200, 0, 200)
    first = [int(kcenter_rank(*rows, most=1, seed=seed)["kcenter_rank"].argmin()) for seed in range(6)]
    assert len(set(first)) > 1


def test_low_ranks_are_kept_by_fractions():
    assert (SCORE.columns[0].name, SCORE.keep) == ("kcenter_rank", "low")


def test_vectors_that_are_not_unit_are_refused():
    with pytest.raises(SchemaError, match="kcenter_rank: image_embedding must have unit rows"):
        kcenter_rank(np.float32([[3, 4]]), np.zeros(1, np.int64), np.zeros(1, np.int64))
