"""Density-based pruning from rows to rows, against the whole method written the slow way."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.order_statistics import fraction_rows
from curation_assets.errors import SchemaError
from curation_assets.scores.density_pruning import SCORE, density_pruning
from curation_assets.summaries.cluster_statistics import cluster_statistics
from curation_assets.summaries.density_quotas import density_quotas

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def made_up(n: int, k: int, seed: int) -> tuple[Rows, np.ndarray]:
    """Rows with many equal similarities, and unit centroids."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(k, 5))
    centroids = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    uid = rng.permutation(np.arange(n) - n // 2)  # negative ones are the largest unsigned ones
    cluster_id = rng.integers(0, k, n).astype(np.int32)
    return (cluster_id, np.float32(rng.integers(0, 8, n) / 8), uid, np.zeros(n, np.int64)), centroids


def measured(rows: Rows, centroids: np.ndarray, **given: float) -> dict[str, np.ndarray]:
    quotas = density_quotas(cluster_statistics(*rows[:2]), {"centroid": centroids}, **given)
    return density_pruning(*rows, quotas, **given)


def slowly_kept(rows: Rows, centroids: np.ndarray, fraction: float, temperature: float, min_share: float) -> set[int]:
    """Rows that stay, with the projection found by halving, cluster by cluster."""
    cluster_id, similarity, hi, lo = (column.tolist() for column in rows)
    members = {c: [i for i in range(len(cluster_id)) if cluster_id[i] == c] for c in sorted(set(cluster_id))}
    complexity = []
    for c, inside in members.items():
        others = sorted(1 - float(np.dot(centroids[c], centroids[o])) for o in range(len(centroids)) if o != c)[:20]
        intra = sum(1 - similarity[i] for i in inside) / len(inside)
        complexity.append(intra * (sum(others) / len(others) if others else 0))
    kept = math.floor(fraction * len(cluster_id) + 1e-9)
    powers = [math.exp(c / temperature) for c in complexity]
    wanted = [kept * p / sum(powers) for p in powers]
    sizes = [len(inside) for inside in members.values()]
    least = [min(int(kept / len(sizes) * min_share) if min_share > 0 else 1, n - 1) for n in sizes]
    low, high = -1e4, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        numbers = [min(max(w - middle, a), b) for w, a, b in zip(wanted, least, sizes, strict=True)]
        low, high = (middle, high) if sum(numbers) > kept else (low, middle)
    quotas = [math.floor(x + 1e-6) for x in numbers]
    for at in sorted(range(len(quotas)), key=lambda i: round(quotas[i] - numbers[i], 6))[: kept - sum(quotas)]:
        quotas[at] += 1
    stay = set()
    for inside, quota in zip(members.values(), quotas, strict=True):
        inside.sort(key=lambda i: (similarity[i], hi[i] % 2**64, lo[i] % 2**64))
        stay |= set(inside[:quota])
    return stay


@pytest.mark.parametrize(("n", "k", "fraction"), [(1, 1, 1.0), (1, 1, 0.5), (60, 4, 0.3), (500, 25, 0.29), (300, 40, 0.7)])
@pytest.mark.parametrize(("temperature", "min_share"), [(0.1, 0.5), (0.5, 0.5), (0.02, 1.0)])
def test_against_the_whole_method_written_slowly(n: int, k: int, fraction: float, temperature: float, min_share: float):
    rows, centroids = made_up(n, k, seed=n + k)
    found = measured(rows, centroids, keep_fraction=fraction, temperature=temperature, min_share=min_share)
    expected = slowly_kept(rows, centroids, fraction, temperature, min_share)
    assert set(np.flatnonzero(found["density_excess"] < 0).tolist()) == expected
    assert [found[c.name].dtype.name for c in SCORE.columns] == ["int32"] * 3


@given(st.integers(1, 80), st.integers(1, 30), st.floats(0, 1), st.integers(0, 99))
@settings(deadline=None)
def test_exactly_the_fraction_is_kept_and_order_does_not_matter(n: int, k: int, fraction: float, seed: int):
    rows, centroids = made_up(n, k, seed)
    found = measured(rows, centroids, keep_fraction=fraction)
    assert (found["density_excess"] < 0).sum() == fraction_rows(fraction, n)
    order = np.random.default_rng(seed).permutation(n)
    turned = measured(tuple(column[order] for column in rows), centroids, keep_fraction=fraction)
    for name in found:
        assert turned[name].tolist() == found[name][order].tolist()


def test_clusters_one_at_a_time_are_as_all_together():
    rows, centroids = made_up(200, 6, seed=3)
    quotas = density_quotas(cluster_statistics(*rows[:2]), {"centroid": centroids})
    whole = density_pruning(*rows, quotas)
    for cluster in range(6):
        inside = rows[0] == cluster
        alone = density_pruning(*(column[inside] for column in rows), quotas)
        assert {name: values.tolist() for name, values in alone.items()} == {
            name: values[inside].tolist() for name, values in whole.items()
        }


def test_the_farthest_comes_first_and_of_equals_the_smaller_unsigned_uid():
    quotas = {"cluster_id": np.int32([2, 7]), "cluster_quota": np.int64([1, 0])}
    near, hi, lo = np.float32([0.9, 0.1, 0.1, 0.1, 0.5]), np.array([0, -1, 3, 3, 0]), np.array([0, 0, -1, 2, 0])
    found = density_pruning(np.int32([2, 2, 2, 2, 7]), near, hi, lo, quotas)
    assert found["density_rank"].tolist() == [3, 2, 1, 0, 0]
    assert found["density_quota"].tolist() == [1, 1, 1, 1, 0]
    assert found["density_excess"].tolist() == [2, 1, 0, -1, 0]


def test_quotas_of_other_rows_are_refused():
    quotas = {"cluster_id": np.int32([0, 4]), "cluster_quota": np.int64([1, 1])}
    uid = np.arange(3)
    with pytest.raises(SchemaError, match=r"row 1 is in cluster 3, which has no quota in density_quotas \(2 of 3 rows\)"):
        density_pruning(np.int32([4, 3, 9]), np.float32([0, 0, 0]), uid, uid, quotas)
