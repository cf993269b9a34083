import numpy as np
import pytest

from curation_assets.summaries.cluster_targets import SUMMARY, cluster_targets


@pytest.mark.parametrize(("m", "k"), [(1, 1), (40, 7), (5, 30)])
def test_against_one_picture_after_the_other(m: int, k: int):
    rng = np.random.default_rng(m * k)
    targets, centroids = rng.normal(size=(m, 6)).astype(np.float32), rng.normal(size=(k, 6)).astype(np.float32)
    counts = [0] * k
    for target in targets.astype(np.float64):
        products = [float((target * centroid).sum()) for centroid in centroids.astype(np.float64)]
        counts[products.index(max(products))] += 1
    found = cluster_targets(targets, {"centroid": centroids})
    assert dict(zip(found["cluster_id"].tolist(), found["targets"].tolist(), strict=True)) == {
        cluster: count for cluster, count in enumerate(counts) if count
    }


def test_a_long_centroid_attracts_where_it_is_left_long():
    target, near, far = np.float32([[1, 0]]), np.float32([0.9, 0.1]), np.float32([3, 3])
    assert cluster_targets(target, {"centroid": np.stack([near, far])})["cluster_id"].tolist() == [1]


def test_nothing_is_merged():
    columns = cluster_targets(np.float32([[1, 0]]), {"centroid": np.float32([[1, 0]])})
    assert SUMMARY.merge(columns) == columns
