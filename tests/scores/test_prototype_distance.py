"""Distance to the prototype of the cluster."""

import numpy as np

from curation_assets.scores.prototype_distance import SCORE, prototype_distance


def test_distances_on_paper():
    assert prototype_distance(np.float32([1, 0.25, 0, -1])).tolist() == [0, 0.75, 1, 2]


def test_against_the_angle_between_vectors():
    # For unit vectors the cosine distance is half the squared Euclidean one.
    rng = np.random.default_rng(0)
    rows, centroid = rng.normal(size=(50, 8)), rng.normal(size=8)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centroid /= np.linalg.norm(centroid)
    found = prototype_distance((rows @ centroid).astype(np.float32))
    np.testing.assert_allclose(found, ((rows - centroid) ** 2).sum(axis=1) / 2, atol=1e-6)


def test_rounding_never_leaves_the_bounds():
    above = np.nextafter(np.float32(1), np.float32(2))
    assert prototype_distance(np.array([above, -above])).tolist() == [0, 2]


def test_farther_is_harder_and_what_a_fraction_keeps():
    # Sorscher et al. 2022 keep the hardest when data is plentiful; their published files have the sign flipped.
    similarity = np.float32([0.9, 0.1, 0.5])
    assert np.argsort(prototype_distance(similarity)).tolist() == np.argsort(-similarity).tolist()
    assert SCORE.keep == "high"


def test_what_is_not_a_number_stays_so():
    assert np.isnan(prototype_distance(np.float32([np.nan]))).all()
