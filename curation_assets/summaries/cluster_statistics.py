"""How many rows each cluster has, and how far they lie from its centroid."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.density import fixed_distance
from curation_assets.spec import Clustering, Summary
from curation_assets.tables import Column


def cluster_statistics(
    cluster_id: np.ndarray, centroid_similarity: np.ndarray, *, clustering: Clustering = ""
) -> dict[str, np.ndarray]:
    """Rows of each cluster that has any, and the sum of their cosine distances to the centroid.

    The sum is of whole numbers: each distance is rounded to a multiple of 2**-32, so that neither the order of rows nor how
    they are split into shards changes a bit. The mean distance is distance_sum * 2**-32 / cluster_rows.

    Args:
        cluster_id: int32, shape (n,).
        centroid_similarity: float32, shape (n,), cosine to the cluster's centroid.
        clustering: names the clustering.

    Returns:
        `cluster_id`, int32, ascending; `cluster_rows`, int64, >= 1; `distance_sum`, int64, in units of 2**-32.

    Source:
        Abbas et al. 2024, arXiv:2401.04578, section 3: d_intra is the mean of these distances.

    Example:
        >>> found = cluster_statistics(np.int32([4, 1, 4]), np.float32([0.5, 1, 0.75]))
        >>> found["cluster_rows"].tolist(), (found["distance_sum"] * 2.0**-32).tolist()
        ([1, 2], [0.0, 0.75])
    """
    rows = np.ones(len(cluster_id), np.int64)
    return _summed(cluster_id, rows, fixed_distance(centroid_similarity))


def merged_statistics(parts: Mapping[str, np.ndarray], *, clustering: Clustering = "") -> dict[str, np.ndarray]:
    """Statistics of all rows, from those of parts of them."""
    return _summed(parts["cluster_id"], parts["cluster_rows"], parts["distance_sum"])


def _summed(cluster_id: np.ndarray, rows: np.ndarray, distance: np.ndarray) -> dict[str, np.ndarray]:
    clusters, place = np.unique(cluster_id, return_inverse=True)
    found = {"cluster_id": clusters.astype(np.int32)}
    for name, values in (("cluster_rows", rows), ("distance_sum", distance)):
        found[name] = np.zeros(len(clusters), np.int64)
        np.add.at(found[name], place, values)
    return found


SUMMARY = Summary(
    compute=cluster_statistics,
    merge=merged_statistics,
    columns=(
        Column("cluster_id", pa.int32(), "cluster that has rows", bounds=(0, None)),
        Column("cluster_rows", pa.int64(), "rows in it", bounds=(1, None)),
        Column(
            "distance_sum", pa.int64(), "sum of their cosine distances to the centroid, in units of 2**-32", bounds=(0, None)
        ),
    ),
    source="Abbas et al. 2024, arXiv:2401.04578",
    version="1",
)
