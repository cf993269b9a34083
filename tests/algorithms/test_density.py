"""Quotas of density-based pruning, against the slow way to solve the same problem and the authors' numbers."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.density import (
    DISTANCE_UNIT,
    bounded_projection,
    centroid_distance,
    density_quotas,
    density_shares,
    fixed_distance,
    least_rows,
    whole_numbers,
)
from curation_assets.errors import SchemaError

NUMBERS = Path(__file__).parents[2] / ".." / "shared" / "vectors" / "dbp"
has_numbers = pytest.mark.skipif(not NUMBERS.is_dir(), reason="the expected numbers are not here")


def slow_projection(wanted: list[float], least: list[int], most: list[int], total: int) -> list[float]:
    """The same by halving an interval of shifts in floating point, one cluster after the other."""
    low, high = min(wanted) - max(most) - 1, max(wanted) + 1
    for _ in range(200):
        middle = (low + high) / 2
        numbers = [min(max(w - middle, a), b) for w, a, b in zip(wanted, least, most, strict=True)]
        low, high = (middle, high) if math.fsum(numbers) > total else (low, middle)
    return numbers


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[float], list[int], list[int], int]:
    most = draw(st.lists(st.integers(1, 60), min_size=1, max_size=12))
    least = [draw(st.integers(0, b)) for b in most]
    total = draw(st.integers(sum(least), sum(most)))
    shares = [draw(st.integers(0, 9)) for _ in most]
    return [total * s / max(sum(shares), 1) for s in shares], least, most, total


@given(problems())
@settings(deadline=None)
def test_projection_against_halving(problem: tuple[list[float], list[int], list[int], int]):
    wanted, least, most, total = problem
    found = bounded_projection(np.array(wanted), np.array(least), np.array(most), total)
    assert found.tolist() == pytest.approx(slow_projection(*problem), abs=1e-6)
    assert math.fsum(found) == pytest.approx(total, abs=1e-9)
    whole = whole_numbers(found, total)
    assert whole.sum() == total
    assert ((whole >= least) & (whole <= most) & (np.abs(whole - found) < 1)).all()


@given(problems())
@settings(deadline=None)
def test_no_numbers_within_bounds_and_sum_are_nearer(problem: tuple[list[float], list[int], list[int], int]):
    # Any way to move rows from one cluster to another must lengthen the distance: that is optimality of a convex problem.
    wanted, least, most, total = problem
    found = bounded_projection(np.array(wanted), np.array(least), np.array(most), total)
    slope = found - wanted
    gives = [s for s, x, a in zip(slope, found, least, strict=True) if x > a + 1e-9]
    takes = [s for s, x, b in zip(slope, found, most, strict=True) if x < b - 1e-9]
    assert not gives or not takes or max(gives) <= min(takes) + 1e-7


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(1, 8))
def test_whole_numbers_against_exact_fractions(numerators: list[int], denominator: int):
    # Eighths and the like add up in any order; equal fractions go up where they stand first.
    denominator = 2 ** (denominator % 4)
    numerators[-1] += -sum(numerators) % denominator
    exact = [Fraction(n, denominator) for n in numerators]
    total = int(sum(exact))
    expected = [math.floor(x) for x in exact]
    for i in sorted(range(len(exact)), key=lambda i: (math.floor(exact[i]) - exact[i], i))[: total - sum(expected)]:
        expected[i] += 1
    assert whole_numbers(np.array([float(x) for x in exact]), total).tolist() == expected


@has_numbers
def test_quotas_are_those_of_the_exact_projection():
    # 9 problems made with amro-kamal/effective_pruning at 42c8e544; its rounded solution adds up in 5 of them only.
    cases = json.loads((NUMBERS / "expected_qp.json").read_text())
    assert len(cases) == 9
    for case in cases:
        complexity, rows, kept = np.array(case["density"]), np.array(case["sizes"]), case["target"]
        shares = density_shares(complexity, case["temperature"])
        least = least_rows(rows, kept, case["cls_bal_ratio"])
        found = bounded_projection(shares * kept, least, rows, kept)
        # The authors' shares are float32.
        np.testing.assert_allclose(shares, case["probs"], rtol=3e-6)
        assert least.tolist() == case["lower"]
        np.testing.assert_allclose(found, case["exact_projection"], atol=2e-3)
        np.testing.assert_allclose(
            bounded_projection(np.array(case["probs"]) * kept, least, rows, kept), case["exact_projection"], atol=1e-6
        )
        assert np.rint(found).tolist() == case["osqp_rounded"]
        quotas = density_quotas(complexity, rows, kept, temperature=case["temperature"], min_share=case["cls_bal_ratio"])
        assert quotas.tolist() == case["largest_remainder"]
        assert quotas.sum() == kept


@has_numbers
def test_distance_to_the_nearest_centroids_is_the_authors():
    expected = json.loads((NUMBERS / "expected_dinter_20nn.json").read_text())
    centroids = np.load(NUMBERS / "centroids30x8.npy").astype(np.float32)
    found = centroid_distance(centroids, expected["num_NNs"])
    np.testing.assert_allclose(found, expected["d_inter"], atol=1e-6)


@pytest.mark.parametrize(("k", "neighbours"), [(1, 20), (2, 20), (20, 20), (21, 20), (22, 20), (30, 1), (1100, 7)])
def test_distance_to_the_nearest_centroids_one_pair_at_a_time(k: int, neighbours: int):
    rows = np.random.default_rng(k).normal(size=(k, 5))
    centroids = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    centroids[-1] = centroids[0]  # of equal ones each is the other's nearest, at distance 0
    found, wide = centroid_distance(centroids, neighbours), centroids.astype(np.float64)
    assert found.shape == (k,)
    for i in [0, k // 2, k - 1]:
        away = sorted(1 - float(wide[i] @ wide[j]) for j in range(k) if j != i)[:neighbours]
        assert found[i] == pytest.approx(sum(away) / len(away) if away else 0, abs=1e-6)


def test_centroids_that_are_no_unit_vectors_are_refused():
    with pytest.raises(SchemaError, match="density: centroids"):
        centroid_distance(np.float32([[1, 0], [3, 3]]), 20)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5)), min_size=1, max_size=15),
    st.floats(0, 1),
    st.sampled_from([0.01, 0.1, 0.5, 1.0]),
    st.sampled_from([0.1, 0.5, 1.0]),
)
@settings(deadline=None)
def test_quotas_add_up_within_their_bounds(clusters: list[tuple[int, int]], share: float, temperature: float, least: float):
    rows, complexity = np.array([n for n, _ in clusters]), np.array([c / 10 for _, c in clusters])
    kept = int(share * rows.sum())
    quotas = density_quotas(complexity, rows, kept, temperature=temperature, min_share=least)
    assert quotas.sum() == kept
    assert (quotas <= rows).all()
    assert (quotas >= least_rows(rows, kept, least)).all()
    # Of two clusters with as many rows, the more complex one does not keep fewer (rounding aside).
    for i in range(len(rows)):
        larger = (rows == rows[i]) & (complexity >= complexity[i])
        assert (quotas[larger] >= quotas[i] - 1).all()


def test_equal_clusters_share_evenly_and_the_first_gets_what_is_left():
    quotas = density_quotas(np.full(3, 0.2), np.full(3, 10), 11, temperature=0.5, min_share=0.5)
    assert quotas.tolist() == [4, 4, 3]


def test_a_quota_that_no_one_can_meet_is_refused():
    with pytest.raises(SchemaError, match="2 rows are to be kept, but 3 clusters keep at least 3 and have 15; choose"):
        density_quotas(np.zeros(3), np.full(3, 5), 2, temperature=0.5, min_share=0)
    with pytest.raises(SchemaError, match="16 rows are to be kept, but 3 clusters keep at least 2 and have 15"):
        density_quotas(np.zeros(3), np.array([1, 7, 7]), 16, temperature=0.5, min_share=0)


def test_no_clusters_keep_nothing():
    assert density_quotas(np.zeros(0), np.zeros(0, np.int64), 0, temperature=0.5, min_share=0.5).tolist() == []


def test_distances_are_whole_numbers_of_a_unit():
    similarity = np.float32([1, -1, 0.1, 0, 1e-30])
    exact = [(1 - Fraction(float(s))) * 2**32 for s in similarity]
    assert Fraction(1, 2**32) == Fraction(DISTANCE_UNIT)
    assert fixed_distance(similarity).tolist() == [round(x) for x in exact]
