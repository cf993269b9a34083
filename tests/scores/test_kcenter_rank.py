"""Ranks of a coreset of the pool."""

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.scores.kcenter_rank import kcenter_rank


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d)) + 0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


@pytest.mark.parametrize(("n", "most"), [(1, 5), (2, 1), (40, 12), (40, 40), (40, 99)])
def test_against_cosines(n: int, most: int):
    # For unit vectors the farthest row is the one whose largest cosine is least.
    vectors, uid = unit_rows(n, 4, n), np.random.default_rng(n).permutation(n)
    found = kcenter_rank(vectors, uid, uid, most=most)
    exact = vectors.astype(np.float64)
    ranked = [int((exact @ exact.mean(axis=0)).argmax())]
    while len(ranked) < min(most, n):
        nearness = (exact @ exact[ranked].T).max(axis=1)
        nearness[ranked] = np.inf
        ranked.append(int(nearness.argmin()))
    rank = np.full(n, most)
    rank[ranked] = np.arange(len(ranked))
    assert found["kcenter_rank"].tolist() == rank.tolist()
    for row in range(n):
        before = [other for other in ranked if rank[other] < rank[row]]
        distance = min((float(np.linalg.norm(exact[row] - exact[other])) for other in before), default=2)
        assert found["kcenter_distance"][row] == pytest.approx(distance, abs=1e-6)


def test_a_smaller_coreset_is_the_beginning_of_a_larger_one():
    vectors, uid = unit_rows(60, 5, 0), np.arange(60)
    large, small = (kcenter_rank(vectors, uid, uid, most=most)["kcenter_rank"] for most in (30, 10))
    assert np.array_equal(np.minimum(large, 10), small)


def test_copies_come_last_and_by_uid(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("curation_assets.scores.kcenter_rank._BLOCK_ROWS", 3)
    vectors = np.repeat(np.float32([[1, 0], [0, 1], [0.6, 0.8]]), 4, axis=0)
    uid = np.array([-1, 5, 3, 4, 9, -2, 8, 7, 1, 2, 0, 6])
    found = kcenter_rank(vectors, uid, np.zeros(12, int))
    # [0.6, 0.8] is nearest to the mean, then [1, 0], then [0, 1]; of equals the smallest uid, negative halves being large.
    assert np.flatnonzero(found["kcenter_rank"] < 3).tolist() == [2, 7, 10]
    assert found["kcenter_rank"][[10, 2, 7]].tolist() == [0, 1, 2]
    assert not found["kcenter_distance"][found["kcenter_rank"] > 2].any()
    rest = [row for row in np.argsort(uid.view(np.uint64)) if found["kcenter_rank"][row] > 2]
    assert found["kcenter_rank"][rest].tolist() == list(range(3, 12))


def test_vectors_that_are_not_unit_are_refused():
    with pytest.raises(SchemaError, match="kcenter_rank: image_embedding must have unit rows"):
        kcenter_rank(np.float32([[3, 4]]), np.zeros(1, np.int64), np.zeros(1, np.int64))
