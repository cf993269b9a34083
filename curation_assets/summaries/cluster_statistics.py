"""How many rows each cluster has, and how far they lie from its centroid."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.spec import Summary
from curation_assets.tables import Column

# Distances are added as whole multiples of this, so that neither order nor split changes a sum. It is the spacing of float32
# similarities above 2**-7, so that those are exact and others move by 2**-31; 2**32 rows of distance 2 fit in 64 bits.
UNIT = 2.0**-30


def cluster_statistics(cluster_id: np.ndarray, centroid_similarity: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of each cluster, and the sum of their cosine distances to its centroid.

    Args:
        cluster_id: int32, shape (n,), >= 0.
        centroid_similarity: float32, shape (n,), in [-1, 1].

    Returns:
        `cluster_id`, int32, clusters that have rows, ascending; `cluster_rows`, int64; `cluster_distance`, int64, the sum of
        1 - centroid_similarity in units of 2**-30, each rounded.

    Source:
        Abbas et al. 2024, arXiv:2401.04578: the mean distance of a cluster (d_intra) is cluster_distance * 2**-30 /
        cluster_rows.

    Example:
        >>> found = cluster_statistics(np.int32([7, 0, 7]), np.float32([1, 0.5, 0.75]))
        >>> found["cluster_rows"].tolist(), (found["cluster_distance"] * UNIT).tolist()
        ([1, 2], [0.5, 0.25])
    """
    distance = np.rint((1 - np.asarray(centroid_similarity, np.float64)) / UNIT).astype(np.int64)
    return _sums(cluster_id, np.ones(len(cluster_id), np.int64), distance)


def merged_statistics(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The statistics of all rows, from those of parts of them."""
    return _sums(parts["cluster_id"], parts["cluster_rows"], parts["cluster_distance"])


def _sums(cluster_id: np.ndarray, rows: np.ndarray, distance: np.ndarray) -> dict[str, np.ndarray]:
    clusters, at = np.unique(cluster_id, return_inverse=True)
    sums = {"cluster_rows": np.zeros(len(clusters), np.int64), "cluster_distance": np.zeros(len(clusters), np.int64)}
    np.add.at(sums["cluster_rows"], at, rows)
    np.add.at(sums["cluster_distance"], at, distance)
    return {"cluster_id": clusters.astype(np.int32), **sums}


SUMMARY = Summary(
    compute=cluster_statistics,
    merge=merged_statistics,
    columns=(
        Column("cluster_id", pa.int32(), "cluster that has rows"),
        Column("cluster_rows", pa.int64(), "its rows", bounds=(1, None)),
        Column("cluster_distance", pa.int64(), "sum of their cosine distances to the centroid, 2**-30", bounds=(0, None)),
    ),
    source="Abbas et al. 2024, arXiv:2401.04578",
    version="1",
)
