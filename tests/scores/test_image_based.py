"""Target pictures in a sample's cluster."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation_assets.algorithms.assignment import assigned
from curation_assets.scores.image_based import image_based


def table(targets: dict[int, int]) -> dict[str, np.ndarray]:
    return {"cluster_id": np.int32(list(targets)), "targets": np.int64(list(targets.values()))}


@given(st.lists(st.integers(0, 9), min_size=1), st.dictionaries(st.integers(0, 12), st.integers(1, 5)))
def test_counts_are_looked_up(cluster_id: list[int], targets: dict[int, int]):
    found = image_based(np.int32(cluster_id), table(targets))["cluster_target_count"]
    assert found.tolist() == [targets.get(cluster, 0) for cluster in cluster_id]
    assert found.dtype == np.int64


def test_samples_near_targets_are_those_whose_cluster_a_target_is_assigned_to():
    # As the paper says it: a sample stays when some target picture has the same nearest centroid.
    rng = np.random.default_rng(0)
    samples, targets, centroids = (rng.normal(size=(n, 4)) for n in (60, 5, 12))
    cluster, counts = np.unique(assigned(targets, centroids), return_counts=True)
    found = image_based(assigned(samples, centroids), {"cluster_id": cluster, "targets": counts})["cluster_target_count"]
    for sample, count in zip(samples, found, strict=True):
        own = int(assigned(sample[None], centroids)[0])
        assert count == sum(int(assigned(t[None], centroids)[0]) == own for t in targets)
    assert 0 < np.count_nonzero(found) < 60
