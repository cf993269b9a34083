"""Which clusters the pictures of a target set fall into."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.assignment import assigned
from curation_assets.spec import Clustering, Summary
from curation_assets.tables import Column

_Target = Annotated[str | None, Field(description="target set whose pictures are counted")]


def cluster_targets(
    target_embedding: np.ndarray,
    centroids: Mapping[str, np.ndarray],
    *,
    target: _Target = None,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """Number of target pictures whose nearest centroid is that of a cluster, for clusters that have any.

    The largest inner product decides, as for the samples of the pool: by cosine where centroids have norm 1, and as DataComp
    does it where they are given and kept as long as they are.

    Args:
        target_embedding: float32, shape (m, d), L2 norm 1.
        centroids: columns of the table of that name, `centroid` as float32, shape (k, d).
        target: names the target set.
        clustering: names the clustering.

    Returns:
        `cluster_id`, int32, ascending; `targets`, int64, >= 1.

    Raises:
        SchemaError: there are no centroids, or they are of another encoder.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, image-based filtering; code mlfoundations/datacomp at 4a8df199.

    Example:
        >>> found = cluster_targets(np.float32([[1, 0], [0.8, 0.6]]), {"centroid": np.float32([[0, 1], [1, 0]])})
        >>> {name: values.tolist() for name, values in found.items()}
        {'cluster_id': [1], 'targets': [2]}
    """
    clusters, count = np.unique(assigned(target_embedding, centroids["centroid"], "inner_product"), return_counts=True)
    return {"cluster_id": clusters.astype(np.int32), "targets": count.astype(np.int64)}


def unmerged(
    columns: Mapping[str, np.ndarray], *, target: _Target = None, clustering: Clustering = ""
) -> dict[str, np.ndarray]:
    """The same: a target set is counted as a whole, so there are no parts to merge."""
    return dict(columns)


SUMMARY = Summary(
    compute=cluster_targets,
    merge=unmerged,
    columns=(
        Column("cluster_id", pa.int32(), "cluster that has target pictures"),
        Column("targets", pa.int64(), "target pictures in it", bounds=(1, None)),
    ),
    source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199",
    version="1",
)
