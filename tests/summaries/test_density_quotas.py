"""Quotas of clusters from what is known of clusters."""

import numpy as np
import pytest

from curation_assets.algorithms.density import density_quotas as quotas_of
from curation_assets.errors import SchemaError
from curation_assets.summaries.cluster_statistics import cluster_statistics
from curation_assets.summaries.density_quotas import SUMMARY, density_quotas


def made_up(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters of rows, their similarities, and unit centroids; some centroids have no rows."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(k, 6))
    centroids = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rng.integers(0, max(k - 1, 1), n).astype(np.int32), rng.uniform(0, 1, n).astype(np.float32), centroids


@pytest.mark.parametrize(("n", "k", "neighbours"), [(1, 1, 20), (40, 2, 20), (300, 9, 20), (300, 30, 3)])
def test_against_means_over_rows_and_pairs(n: int, k: int, neighbours: int):
    cluster_id, similarity, centroids = made_up(n, k, seed=n + k)
    found = density_quotas(
        cluster_statistics(cluster_id, similarity), {"centroid": centroids}, keep_fraction=0.4, neighbours=neighbours
    )
    clusters = sorted(set(cluster_id.tolist()))
    complexity = []
    for cluster in clusters:
        members = similarity[cluster_id == cluster].astype(np.float64)
        others = sorted(1 - float(centroids[cluster] @ other) for i, other in enumerate(centroids) if i != cluster)
        complexity.append((1 - members).mean() * (np.mean(others[:neighbours]) if others else 0))
    sizes = np.bincount(cluster_id)[clusters]
    expected = quotas_of(np.array(complexity), sizes, int(0.4 * n + 1e-9), temperature=0.5, min_share=0.5)
    assert found["cluster_id"].tolist() == clusters
    assert found["cluster_quota"].tolist() == expected.tolist()
    assert [values.dtype.name for values in found.values()] == ["int32", "int64"]


def test_order_of_clusters_does_not_matter():
    cluster_id, similarity, centroids = made_up(200, 8)
    statistics = cluster_statistics(cluster_id, similarity)
    turned = {name: values[::-1] for name, values in statistics.items()}
    expected = density_quotas(statistics, {"centroid": centroids})
    found = density_quotas(turned, {"centroid": centroids})
    assert {n: v.tolist() for n, v in found.items()} == {n: v.tolist() for n, v in expected.items()}


def test_a_wide_cluster_keeps_more_than_a_dense_one_as_large():
    cluster_id = np.repeat(np.int32([0, 1]), 50)
    similarity = np.repeat(np.float32([0.99, 0.2]), 50)
    found = density_quotas(
        cluster_statistics(cluster_id, similarity), {"centroid": np.eye(2, dtype=np.float32)}, temperature=0.1
    )
    dense, wide = found["cluster_quota"].tolist()
    assert dense + wide == 50
    assert dense == 12, "half of an equal share is the least that a cluster keeps"


def test_settings_reach_the_quotas():
    cluster_id, similarity, centroids = made_up(400, 9)
    statistics = cluster_statistics(cluster_id, similarity)
    seen = {
        tuple(density_quotas(statistics, {"centroid": centroids}, **given)["cluster_quota"].tolist())
        for given in (
            {},
            {"temperature": 0.01},
            {"neighbours": 1, "temperature": 0.01},
            {"min_share": 0.9, "temperature": 0.01},
        )
    }
    assert len(seen) == 4


def test_centroids_of_another_clustering_are_refused():
    with pytest.raises(SchemaError, match="has a cluster 4, but there are 2 centroids; make cluster_statistics again"):
        density_quotas(cluster_statistics(np.int32([4]), np.float32([0.5])), {"centroid": np.eye(2, dtype=np.float32)})


def test_one_row_of_each_cluster_is_too_many():
    statistics = cluster_statistics(np.repeat(np.arange(9, dtype=np.int32), 3), np.zeros(27, np.float32))
    with pytest.raises(SchemaError, match="2 rows are to be kept, but 9 clusters keep at least 9"):
        density_quotas(statistics, {"centroid": np.eye(9, dtype=np.float32)}, keep_fraction=0.1, min_share=0)


def test_nothing_is_merged():
    columns = {"cluster_id": np.int32([1]), "cluster_quota": np.int64([4])}
    assert SUMMARY.merge(columns) == columns
