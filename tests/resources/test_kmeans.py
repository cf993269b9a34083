"""Spherical k-means and nearest centroids, against a slow oracle in numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.kmeans import KMeans


def unit(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """One comparison at a time, in float64."""
    return np.array([max(range(len(centroids)), key=lambda c: (float(v @ centroids[c]), -c)) for v in vectors])


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 5), (40, 3), (300, 17)])
def test_assignment_is_the_nearest_centroid(n: int, k: int) -> None:
    vectors, centroids = unit(n), unit(k, seed=1)
    cluster, similarity = KMeans().assign(vectors, centroids)
    assert np.array_equal(cluster, nearest(vectors.astype(np.float64), centroids.astype(np.float64)))
    assert similarity == pytest.approx((vectors * centroids[cluster]).sum(axis=1), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 64), st.integers(0, 5))
def test_assignment_depends_on_neither_neighbours_nor_blocks(n: int, k: int, block: int, seed: int) -> None:
    vectors, centroids = unit(n, seed=seed), unit(k, seed=seed + 100)
    together = KMeans().assign(vectors, centroids)
    blocks = KMeans(block_rows=block).assign(vectors, centroids)
    alone = [KMeans().assign(vectors[i : i + 1], centroids) for i in range(n)]
    for part in (0, 1):
        assert np.array_equal(together[part], blocks[part])
        assert np.array_equal(together[part], np.concatenate([one[part] for one in alone]))


def test_equal_centroids_go_to_the_lower_number() -> None:
    centroids = np.repeat(unit(1), 3, axis=0)
    cluster, similarity = KMeans().assign(unit(1), centroids)
    assert cluster.tolist() == [0]
    assert similarity == pytest.approx([1.0])


def test_fit_is_repeatable_and_a_fixed_point_of_its_own_rule() -> None:
    """Each centroid is the direction of the mean of the rows that are nearest to it."""
    vectors = unit(600, seed=3)
    centroids, members = KMeans(iterations=100, seed=0).fit(vectors, 6)
    again, _ = KMeans(iterations=100, seed=0).fit(vectors, 6)
    assert np.array_equal(centroids, again)
    cluster = nearest(vectors, centroids)
    assert members.tolist() == np.bincount(cluster, minlength=6).tolist()
    means = np.stack([vectors[cluster == c].mean(axis=0) for c in range(6)])
    assert centroids == pytest.approx(means / np.linalg.norm(means, axis=1, keepdims=True), abs=1e-5)


def test_more_clusters_than_rows_and_no_rows() -> None:
    centroids, members = KMeans().fit(unit(3), 10)
    assert len(centroids) == 3
    assert members.tolist() == [1, 1, 1]
    assert len(KMeans().fit(np.zeros((0, 16), np.float32), 4)[0]) == 0
