"""Whether a picture's cluster holds pictures of a target set, and how many."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.spec import Score
from curation_assets.tables import Column


def image_based(
    cluster_id: np.ndarray,
    cluster_targets: Mapping[str, np.ndarray],
    *,
    target: Annotated[str | None, Field(description="target set that the clusters are counted for")] = None,
) -> dict[str, np.ndarray]:
    """Number of target pictures in the sample's cluster.

    Args:
        cluster_id: int32, shape (n,).
        cluster_targets: `cluster_id` and `targets` of the clusters that have target pictures, each cluster once.
        target: names the target set.

    Returns:
        `cluster_target_count`, int64, shape (n,), >= 0.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, image-based filtering with 100,000 clusters; code
        mlfoundations/datacomp at 4a8df199, which clusters captioned rows only and assigns by inner products with centroids
        that are no unit vectors.

    Example:
        >>> image_based(np.int32([4, 0]), {"cluster_id": np.int32([4, 7]), "targets": np.int64([3, 1])})
        {'cluster_target_count': array([3, 0])}
    """
    clusters = cluster_targets["cluster_id"]
    counts = np.zeros(int(max(clusters.max(initial=-1), cluster_id.max(initial=-1))) + 1, np.int64)
    counts[clusters] = cluster_targets["targets"]
    return {"cluster_target_count": counts[cluster_id]}


SCORE = Score(
    compute=image_based,
    columns=(Column("cluster_target_count", pa.int64(), "target pictures in the sample's cluster", bounds=(0, None)),),
    source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199",
    version="1",
    is_on_demand=True,
    label="target",
)
