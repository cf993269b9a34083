"""Density-based pruning: a row's place in its cluster, and how many rows the cluster keeps."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.errors import SchemaError
from curation_assets.spec import Clustering, Score
from curation_assets.tables import Column


def density_pruning(
    cluster_id: np.ndarray,
    centroid_similarity: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    density_quotas: Mapping[str, np.ndarray],
    *,
    keep_fraction: Annotated[float, Field(ge=0, le=1, description="share of all clustered rows that is kept, exact")] = 0.5,
    temperature: Annotated[float, Field(gt=0, description="of the softmax over clusters; the larger, the more even")] = 0.5,
    neighbours: Annotated[
        int, Field(ge=1, description="nearest other centroids that a cluster's distance is the mean of")
    ] = 20,
    min_share: Annotated[
        float, Field(ge=0, le=1, description="share of an equal split that a cluster keeps at least; 0 is one row")
    ] = 0.5,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """Rank of each sample in its cluster, the farthest from the centroid first, and the cluster's quota.

    Rows whose rank is below the quota stay: floor(keep_fraction * n + 1e-9) of all n rows that have a cluster, exactly. Meant
    for a pool without semantic duplicates, which would make their cluster look dense. Costs a sort.

    Args:
        cluster_id: int32, shape (n,).
        centroid_similarity: float32, shape (n,), cosine to the cluster's centroid.
        uid_hi: int64, shape (n,), decides between equal similarities: the smaller unsigned uid comes first.
        uid_lo: int64, shape (n,).
        density_quotas: `cluster_id` and `cluster_quota` of the clusters that have rows, made with the same settings.
        keep_fraction: share of the rows kept.
        temperature: of the softmax over clusters.
        neighbours: other centroids counted.
        min_share: share of an equal split that each cluster keeps at least.
        clustering: names the clustering.

    Returns:
        `density_rank`, int32, 0 for the farthest from the centroid; `density_quota`, int32, rows that the cluster keeps;
        `density_excess`, int32, rank - quota, negative for rows that stay; shape (n,) each.

    Raises:
        SchemaError: a row's cluster has no quota, so that quotas are of other rows.

    Source:
        Abbas et al. 2024, Effective pruning of web-scale datasets based on complexity of concept clusters, arXiv:2401.04578;
        code amro-kamal/effective_pruning at 42c8e544, where ties are left to the sort and quotas add up only about.

    Example:
        >>> quotas, uid = {"cluster_id": np.int32([3]), "cluster_quota": np.int64([2])}, np.arange(3)
        >>> density_pruning(np.int32([3, 3, 3]), np.float32([0.5, 0.9, 0.5]), uid, uid, quotas)["density_excess"].tolist()
        [-2, 0, -1]
    """
    known = density_quotas["cluster_id"]
    quotas = np.full(1 + int(max(cluster_id.max(initial=-1), known.max(initial=-1))), -1, np.int64)
    quotas[known] = density_quotas["cluster_quota"]
    quota = quotas[cluster_id]
    unknown = np.flatnonzero(quota < 0)
    if len(unknown):
        raise SchemaError(
            f"density_pruning: row {unknown[0]} is in cluster {cluster_id[unknown[0]]}, which has no quota in density_quotas "
            f"({len(unknown)} of {len(cluster_id)} rows); make cluster_statistics and density_quotas again"
        )
    order = np.lexsort((uid_lo.view(np.uint64), uid_hi.view(np.uint64), centroid_similarity, cluster_id))
    ranked = cluster_id[order]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    columns = {"density_rank": rank, "density_quota": quota, "density_excess": rank - quota}
    return {name: values.astype(np.int32) for name, values in columns.items()}


SCORE = Score(
    compute=density_pruning,
    columns=(
        Column("density_rank", pa.int32(), "rows of the cluster that lie farther from its centroid", bounds=(0, None)),
        Column("density_quota", pa.int32(), "rows that the cluster keeps", bounds=(0, None)),
        Column("density_excess", pa.int32(), "rank - quota; negative for rows that stay"),
    ),
    source="Abbas et al. 2024, arXiv:2401.04578; amro-kamal/effective_pruning at 42c8e544",
    version="1",
    keep="low",
    scope="cluster",
    is_on_demand=True,
)
