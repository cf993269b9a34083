"""Clusters of directions: a fixed point of Lloyd's iteration, found again from a seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.algorithms.spherical_kmeans import spherical_kmeans
from curation_assets.errors import SchemaError


def made_up(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * rng.uniform(0.1, 9, (n, 1))).astype(np.float32)


def cosines(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.array([[sum(a * b for a, b in zip(x, c, strict=True)) for c in centroids] for x in unit])


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 9))
@settings(deadline=None)
def test_it_ends_where_nothing_moves(n: int, k: int, seed: int):
    vectors = made_up(n, 3, n)
    centroids, label = spherical_kmeans(vectors, k, seed=seed, iterations=1000)
    assert centroids.shape == (min(k, n), 3)
    products = cosines(vectors, centroids)
    assert (products[np.arange(n), label] >= products.max(axis=1) - 1e-12).all()
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    for cluster in set(label.tolist()):
        mean = unit[label == cluster].sum(axis=0)
        np.testing.assert_allclose(centroids[cluster], mean / np.linalg.norm(mean), atol=1e-9)


@given(st.integers(2, 40), st.integers(1, 9), st.integers(0, 9))
@settings(deadline=None)
def test_no_iteration_makes_it_worse(n: int, k: int, seed: int):
    vectors = made_up(n, 4, n)
    means = []
    for iterations in range(5):
        centroids, label = spherical_kmeans(vectors, k, seed=seed, iterations=iterations)
        means.append(cosines(vectors, centroids)[np.arange(n), label].mean())
    assert (np.diff(means) >= -1e-12).all()


def test_groups_that_lie_apart_are_found():
    centres = np.eye(6)
    group = np.random.default_rng(0).integers(0, 6, 300)
    vectors = centres[group] + np.random.default_rng(1).normal(size=(300, 6)) * 0.02
    for seed in range(5):
        label = spherical_kmeans(vectors, 6, seed=seed)[1]
        assert len({(a, b) for a, b in zip(label.tolist(), group.tolist(), strict=True)}) == 6


def test_length_does_not_matter_and_the_seed_repeats():
    vectors = made_up(60, 5, 3).astype(np.float64)
    label = spherical_kmeans(vectors, 7, seed=4)[1]
    assert spherical_kmeans(vectors * 2.0 ** np.arange(-30, 30)[:, None], 7, seed=4)[1].tolist() == label.tolist()
    assert len({tuple(spherical_kmeans(vectors, 7, seed=seed)[1].tolist()) for seed in range(5)}) > 1


def test_copies_are_one_direction():
    centroids, label = spherical_kmeans(np.repeat(made_up(3, 50, 0), 4, axis=0), 9)
    assert len(centroids) == 3
    assert [len(set(part)) for part in label.reshape(3, 4).tolist()] == [1, 1, 1]
    assert spherical_kmeans(np.ones((5, 2)), 2)[1].tolist() == [0] * 5


def test_directions_that_cancel_out_keep_their_centroid():
    centroids, label = spherical_kmeans(np.float64([[1, 0], [-1, 0]]), 1)
    assert np.linalg.norm(centroids) == 1
    assert label.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1, 0], [0, 0]], "vector 1 has norm 0.0"),
        ([[np.nan, 0]], "vector 0 has norm nan"),
        (np.zeros((0, 2)), "there are none"),
    ],
)
def test_vectors_without_direction_are_refused(vectors: list[list[float]], message: str):
    with pytest.raises(SchemaError, match=message):
        spherical_kmeans(np.array(vectors), 1)
