"""Densities and quotas of clusters: laws of the projection, brute force on small cases, and the reference's numbers."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.density import quotas, separation, shares
from curation_assets.errors import SchemaError
from tests.conftest import SHARED

FOLDER = SHARED / "vectors" / "dbp"
sizes = st.lists(st.integers(1, 60), min_size=1, max_size=9)


def unit_rows(k: int, d: int) -> np.ndarray:
    rows = np.random.default_rng(k).normal(size=(k, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(sizes, st.data())
@settings(deadline=None, max_examples=150)
def test_quotas_keep_the_target_within_bounds_and_cannot_be_bettered(rows: list[int], data: st.DataObject):
    share = np.array(data.draw(st.lists(st.integers(0, 20), min_size=len(rows), max_size=len(rows)))) + 1e-9
    share, n = share / share.sum(), np.array(rows)
    fraction = data.draw(st.sampled_from([0, 0.3, 0.5, 1]))
    target = data.draw(st.integers(min(len(rows), sum(rows)), sum(rows)))
    least = np.minimum(int(target / len(rows) * fraction) if fraction else 1, n - 1)
    found = quotas(share, n, target, min_fraction=fraction)
    assert found.sum() == target
    assert (found >= least).all()
    assert (found <= n).all()
    # Moving one row from a cluster to another never comes nearer to what was wanted, which is optimal for a convex sum.
    wanted = share * target
    for a, b in itertools.permutations(range(len(rows)), 2):
        if found[a] > least[a] and found[b] < n[b]:
            step = (found[a] - 1 - wanted[a]) ** 2 + (found[b] + 1 - wanted[b]) ** 2
            assert step >= (found[a] - wanted[a]) ** 2 + (found[b] - wanted[b]) ** 2 - 1e-6


def test_brute_force_finds_nothing_nearer():
    rows, share, target = np.array([1, 7, 4, 12]), np.array([0.4, 0.1, 0.35, 0.15]), 14
    found = quotas(share, rows, target, min_fraction=0)
    choices = itertools.product(*(range(min(1, n - 1), n + 1) for n in rows))
    best = min(((np.array(c) - share * target) ** 2).sum() for c in choices if sum(c) == target)
    assert ((found - share * target) ** 2).sum() == pytest.approx(best)


def test_of_equal_remainders_the_first_cluster_gets_the_row():
    assert quotas(np.full(3, 1 / 3), np.full(3, 9), 7).tolist() == [3, 2, 2]
    assert quotas(np.ones(1), np.array([5]), 5).tolist() == [5]
    assert quotas(np.full(2, 0.5), np.array([1, 1]), 2).tolist() == [1, 1]
    assert quotas(np.full(2, 0.5), np.array([4, 4]), 0).tolist() == [0, 0]


@pytest.mark.parametrize(("target", "fraction"), [(1, 0), (31, 0.5)])
def test_what_no_quota_can_do_is_refused(target: int, fraction: float):
    with pytest.raises(SchemaError, match=rf"{target} rows cannot be kept of 3 clusters: they have 30 rows and keep at least"):
        quotas(np.full(3, 1 / 3), np.full(3, 10), target, min_fraction=fraction)


def test_shares_are_a_softmax():
    complexity, temperature = np.array([0.2, 0.5, 900.0]), 0.1
    assert shares(complexity, temperature)[2] == 1
    small = complexity[:2]
    np.testing.assert_allclose(shares(small, 0.1), np.exp(small / 0.1) / np.exp(small / 0.1).sum())


@pytest.mark.parametrize(("k", "neighbours"), [(1, 20), (2, 20), (9, 3), (40, 20)])
def test_separation_against_loops(k: int, neighbours: int):
    centroids = unit_rows(k, 5)
    expected = []
    for i in range(k):
        distances = sorted(1 - sum(float(a) * float(b) for a, b in zip(centroids[i], c, strict=True)) for c in centroids)
        own = min(range(k), key=lambda j: abs(distances[j]))
        others = distances[:own] + distances[own + 1 :]
        expected.append(sum(others[:neighbours]) / max(1, len(others[:neighbours])))
    np.testing.assert_allclose(separation(centroids, neighbours), expected, atol=1e-6)


def test_neither_order_nor_blocks_change_the_separation(monkeypatch: pytest.MonkeyPatch):
    centroids, order = unit_rows(60, 33), np.random.default_rng(0).permutation(60)
    whole = separation(centroids, 7)
    monkeypatch.setattr("curation_assets.algorithms.density._BLOCK_ROWS", 7)
    assert np.array_equal(separation(centroids[order], 7), whole[order])


def test_a_centroid_that_is_no_direction_is_refused():
    with pytest.raises(SchemaError, match="density: centroids must have unit rows"):
        separation(np.float32([[1, 1]]), 1)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared numbers are not on this machine")
def test_quotas_of_the_reference():
    """amro-kamal/effective_pruning at 42c8e544 with OSQP, and the same program by bisection and largest remainders."""
    cases = json.loads((FOLDER / "expected_qp.json").read_text())
    assert len(cases) == 9
    for case in cases:
        share, rows = shares(np.array(case["density"]), case["temperature"]), np.array(case["sizes"])
        np.testing.assert_allclose(share, case["probs"], rtol=1e-5, atol=1e-12)
        found = quotas(share, rows, case["target"], min_fraction=case["cls_bal_ratio"])
        assert found.tolist() == case["largest_remainder"], case["name"]
        assert np.abs(found - case["exact_projection"]).max() < 1 + 1e-4
        assert np.abs(found - np.array(case["osqp_rounded"])).max() <= 1


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared numbers are not on this machine")
def test_separation_of_the_reference():
    case = json.loads((FOLDER / "expected_dinter_20nn.json").read_text())
    found = separation(np.load(FOLDER / "centroids30x8.npy").astype(np.float32), case["num_NNs"])
    np.testing.assert_allclose(found, case["d_inter"], atol=1e-6)
