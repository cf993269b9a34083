"""How many rows each cluster keeps under density-based pruning.

Made once for all clusters: the score that reads it is called for one cluster after the other.
"""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms import density
from curation_assets.algorithms.order_statistics import fraction_rows
from curation_assets.errors import SchemaError
from curation_assets.spec import Clustering, Summary
from curation_assets.tables import Column

_KeepFraction = Annotated[float, Field(ge=0, le=1, description="share of all clustered rows that is kept, exact")]
_Temperature = Annotated[float, Field(gt=0, description="of the softmax over clusters; the larger, the more even")]
_Neighbours = Annotated[int, Field(ge=1, description="nearest other centroids that a cluster's distance is the mean of")]
_MinShare = Annotated[
    float, Field(ge=0, le=1, description="share of an equal split that a cluster keeps at least; 0 is one row")
]


def density_quotas(
    cluster_statistics: Mapping[str, np.ndarray],
    centroids: Mapping[str, np.ndarray],
    *,
    keep_fraction: _KeepFraction = 0.5,
    temperature: _Temperature = 0.5,
    neighbours: _Neighbours = 20,
    min_share: _MinShare = 0.5,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """Rows that each cluster keeps: more where it is wide (d_intra) and far from the nearest other clusters (d_inter).

    Costs k * k * d multiplications for k centroids. A single cluster keeps the whole share; its d_inter is 0.

    Args:
        cluster_statistics: columns of the summary of that name.
        centroids: columns of the table of that name, `centroid` as float32, shape (k, d), L2 norm 1.
        keep_fraction: share of the rows kept.
        temperature: of the softmax.
        neighbours: other centroids counted; all where there are fewer.
        min_share: share of an equal split that each cluster keeps at least.
        clustering: names the clustering.

    Returns:
        `cluster_id`, int32, ascending; `cluster_quota`, int64, whose sum is floor(keep_fraction * rows + 1e-9).

    Raises:
        SchemaError: fewer rows are kept than clusters keep at least; centroids are no unit vectors, or of another clustering.

    Source:
        Abbas et al. 2024, arXiv:2401.04578; code amro-kamal/effective_pruning at 42c8e544, whose defaults these are but for
        keep_fraction, which it has none of; the paper's temperature is 0.1.

    Example:
        >>> found = {"cluster_id": np.int32([0, 1]), "cluster_rows": np.int64([9, 9]), "distance_sum": np.int64([0, 2**36])}
        >>> density_quotas(found, {"centroid": np.float32([[1, 0], [0, 1]])})["cluster_quota"].tolist()
        [2, 7]
    """
    clusters, rows = cluster_statistics["cluster_id"], cluster_statistics["cluster_rows"]
    order, vectors = np.argsort(clusters), centroids["centroid"]
    if clusters.max(initial=-1) >= len(vectors):
        raise SchemaError(
            f"density_quotas: cluster_statistics has a cluster {clusters.max()}, but there are {len(vectors)} centroids; "
            "make cluster_statistics again"
        )
    intra = cluster_statistics["distance_sum"] * density.DISTANCE_UNIT / rows
    complexity = intra * density.centroid_distance(vectors, neighbours)[clusters]
    kept = fraction_rows(keep_fraction, int(rows.sum()))
    quotas = density.density_quotas(complexity[order], rows[order], kept, temperature=temperature, min_share=min_share)
    return {"cluster_id": clusters[order].astype(np.int32), "cluster_quota": quotas}


def unmerged(
    columns: Mapping[str, np.ndarray],
    *,
    keep_fraction: _KeepFraction = 0.5,
    temperature: _Temperature = 0.5,
    neighbours: _Neighbours = 20,
    min_share: _MinShare = 0.5,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """The same: all clusters are looked at together, so there are no parts to merge."""
    return dict(columns)


SUMMARY = Summary(
    compute=density_quotas,
    merge=unmerged,
    columns=(
        Column("cluster_id", pa.int32(), "cluster that has rows", bounds=(0, None)),
        Column("cluster_quota", pa.int64(), "rows that it keeps", bounds=(0, None)),
    ),
    source="Abbas et al. 2024, arXiv:2401.04578; amro-kamal/effective_pruning at 42c8e544",
    version="1",
)
