"""Density-based pruning from the small tables: against the formulas written as loops, and what is refused."""

import math

import numpy as np
import pytest

from curation_assets.errors import SchemaError
from curation_assets.filters.density_pruning import density_pruning as kept_by
from curation_assets.scores.cluster_rank import cluster_rank
from curation_assets.scores.density_pruning import density_pruning
from curation_assets.summaries.cluster_statistics import cluster_statistics

Pool = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]


def drawn(n: int, k: int, seed: int) -> Pool:
    """Cluster and rank of each row, and the small tables; clusters without rows and ids out of order included."""
    rng = np.random.default_rng(seed)
    centroid = rng.normal(size=(k + 2, 6))
    centroids = {
        "centroid_id": rng.permutation(k + 2).astype(np.int32),
        "centroid": (centroid / np.linalg.norm(centroid, axis=1, keepdims=True)).astype(np.float32),
    }
    cluster, similarity = rng.integers(0, k, n).astype(np.int32), rng.uniform(0, 1, n).astype(np.float32)
    rank = np.zeros(n, np.int32)
    for c in np.unique(cluster):
        at = np.flatnonzero(cluster == c)
        rank[at] = cluster_rank(-similarity[at].astype(float), at, at)["cluster_rank"]
    return cluster, rank, cluster_statistics(cluster, similarity), centroids


def complexity(statistics: dict[str, np.ndarray], centroids: dict[str, np.ndarray], neighbours: int) -> list[float]:
    place = {int(c): i for i, c in enumerate(centroids["centroid_id"])}
    clusters, found = statistics["cluster_id"].tolist(), []
    for cluster, rows, distance in zip(*statistics.values(), strict=True):
        own = centroids["centroid"][place[int(cluster)]]
        others = [centroids["centroid"][place[c]] for c in clusters if c != cluster]
        apart = sorted(1 - math.fsum(float(a) * float(b) for a, b in zip(own, other, strict=True)) for other in others)
        nearest = apart[:neighbours]
        found.append(distance / 2**30 / rows * sum(nearest) / max(1, len(nearest)))
    return found


@pytest.mark.parametrize(
    ("n", "k", "keep", "temperature"), [(400, 7, 0.4, 0.1), (400, 7, 1.0, 0.5), (60, 1, 0.5, 1), (900, 30, 0.3, 9)]
)
def test_the_whole_way(n: int, k: int, keep: float, temperature: float):
    cluster, rank, statistics, centroids = drawn(n, k, n + k)
    found = density_pruning(cluster, rank, statistics, centroids, keep_fraction=keep, temperature=temperature, neighbours=3)
    quota = {int(c): int(q) for c, q in zip(cluster, found["density_quota"], strict=True)}
    target = math.floor(keep * n + 1e-9)
    assert sum(quota.values()) == target
    assert np.array_equal(found["density_excess"], rank - found["density_quota"])
    (condition,) = kept_by()
    is_kept = found[condition.column] <= condition.threshold
    assert is_kept.sum() == target
    for c, allowed in quota.items():
        assert sorted(rank[(cluster == c) & is_kept]) == list(range(allowed))
    # Of two clusters that are at no bound, their distance to the wanted share is the same but for rounding.
    weight = np.exp(np.array(complexity(statistics, centroids, 3)) / temperature)
    sizes = dict(zip(statistics["cluster_id"].tolist(), statistics["cluster_rows"].tolist(), strict=True))
    least = int(target / len(sizes) * 0.5)
    missed = [
        weight[i] / weight.sum() * target - quota[c]
        for i, c in enumerate(sizes)
        if min(least, sizes[c] - 1) + 1 < quota[c] < sizes[c] - 1
    ]
    assert not missed or max(missed) - min(missed) <= 1 + 1e-4


def test_complex_clusters_keep_more():
    cluster, rank = np.repeat(np.int32([0, 1, 2]), 10), np.tile(np.arange(10, dtype=np.int32), 3)
    statistics = {
        "cluster_id": np.int32([0, 1, 2]),
        "cluster_rows": np.full(3, 10),
        "cluster_distance": np.array([1, 5, 9]) << 30,
    }
    centroids = {"centroid_id": np.int32([0, 1, 2]), "centroid": np.eye(3, dtype=np.float32)}
    for neighbours in (1, 2, 20):
        found = density_pruning(cluster, rank, statistics, centroids, temperature=1.0, neighbours=neighbours)
        a, b, c = found["density_quota"][::10]
        assert a < b < c
        assert a + b + c == 15


def test_a_shard_alone_gets_what_the_pool_gets():
    cluster, rank, *small = drawn(300, 9, 5)
    whole, part = density_pruning(cluster, rank, *small), density_pruning(cluster[7:20], rank[7:20], *small)
    assert all(np.array_equal(whole[name][7:20], part[name]) for name in whole)


def test_settings_that_no_quotas_meet_are_refused():
    cluster, rank, *small = drawn(400, 30, 1)
    with pytest.raises(SchemaError, match=r"4 rows cannot be kept of 30 clusters: they have 400 rows and keep at least 30;"):
        density_pruning(cluster, rank, *small, keep_fraction=0.01, min_fraction=0)


def test_small_tables_of_another_pool_are_refused():
    cluster, rank, statistics, centroids = drawn(50, 3, 1)
    with pytest.raises(SchemaError, match=r"cluster 9 is not in cluster_statistics \(1 of 50 are not\)"):
        density_pruning(np.append(cluster[1:], np.int32(9)), rank, statistics, centroids)
    with pytest.raises(SchemaError, match=r"cluster \d is not in centroids \(3 of 3 are not\); make centroids again"):
        density_pruning(cluster, rank, statistics, {**centroids, "centroid_id": centroids["centroid_id"] + 100})
