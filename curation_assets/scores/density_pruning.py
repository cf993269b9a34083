"""How far a sample's rank lies above what its cluster may keep, where complex clusters keep more."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.density import quotas, separation, shares
from curation_assets.algorithms.order_statistics import fraction_rows
from curation_assets.errors import SchemaError
from curation_assets.spec import Score
from curation_assets.tables import Column

_UNIT = 2.0**-30  # of cluster_distance


def density_pruning(
    cluster_id: np.ndarray,
    rank_in_cluster: np.ndarray,
    cluster_statistics: Mapping[str, np.ndarray],
    centroids: Mapping[str, np.ndarray],
    *,
    rank: Annotated[str, Field(description="column of ranks in the cluster, an instance of cluster_rank")] = "cluster_rank",
    keep_fraction: Annotated[float, Field(gt=0, le=1, description="share of the pool's rows that are kept together")] = 0.5,
    temperature: Annotated[float, Field(gt=0, description="of the softmax; the larger, the more alike the quotas")] = 0.5,
    neighbours: Annotated[int, Field(ge=1, description="nearest other centroids that count")] = 20,
    min_fraction: Annotated[
        float, Field(ge=0, le=1, description="least that a cluster keeps, as a part of the rows kept per cluster; 0 is one row")
    ] = 0.5,
) -> dict[str, np.ndarray]:
    """Rank of the sample in its cluster less the rows that its cluster keeps: below 0 it stays.

    A cluster is complex when its rows lie far from its centroid and its centroid far from others. Quotas are as near as
    sizes allow to a softmax of complexity, and add up to exactly keep_fraction of the rows that have a cluster. Meant for
    a pool without duplicates. Costs k * k * d multiplications for k clusters, once in a process.

    Args:
        cluster_id: int32, shape (n,).
        rank_in_cluster: int, shape (n,), 0 for the first that stays; the column that `rank` names.
        cluster_statistics: `cluster_id`, `cluster_rows` and `cluster_distance` (2**-30) of the clusters that have rows.
        centroids: `centroid_id` and `centroid`, float32, shape (k, d), L2 norm 1.
        rank: a column of ranks.
        keep_fraction: share kept; floor(keep_fraction * rows + 1e-9) rows stay.
        temperature: of the softmax.
        neighbours: nearest other centroids.
        min_fraction: least kept of a cluster.

    Returns:
        `density_excess`, int64, shape (n,), rank - quota, at most -1 for rows that stay, and `density_quota`, int64.

    Raises:
        SchemaError: no quotas have that sum, or a cluster is missing from the small tables.

    Source:
        Abbas et al. 2024, Effective pruning of web-scale data based on complexity of concept clusters, arXiv:2401.04578;
        code amro-kamal/effective_pruning at 42c8e544 (temperature 0.5, 20 neighbours, min_fraction 0.5 there). Clusters
        without rows count neither as neighbours nor in the softmax; the sum of quotas is exact.

    Example:
        >>> statistics = {"cluster_id": [0, 1], "cluster_rows": [2, 2], "cluster_distance": [2**29, 2**31]}
        >>> statistics = {name: np.array(values) for name, values in statistics.items()}
        >>> centroids = {"centroid_id": np.array([0, 1]), "centroid": np.eye(2, dtype=np.float32)}
        >>> found = density_pruning(np.int32([0, 0, 1, 1]), np.int32([0, 1, 0, 1]), statistics, centroids, keep_fraction=0.75)
        >>> found["density_quota"].tolist(), found["density_excess"].tolist()
        ([1, 1, 2, 2], [-1, 0, -2, -1])
    """
    clusters, rows = (np.asarray(cluster_statistics[name], np.int64) for name in ("cluster_id", "cluster_rows"))
    place = _places(centroids["centroid_id"], clusters, "centroids")
    spread = cluster_statistics["cluster_distance"] * _UNIT / rows
    complexity = spread * separation(centroids["centroid"][place], neighbours)
    target = fraction_rows(keep_fraction, int(rows.sum()))
    quota = quotas(shares(complexity, temperature), rows, target, min_fraction=min_fraction)
    quota = quota[_places(clusters, cluster_id, "cluster_statistics")]
    return {"density_excess": rank_in_cluster - quota, "density_quota": quota}


def _places(known: np.ndarray, wanted: np.ndarray, table: str) -> np.ndarray:
    """Row of the small table that each wanted cluster has."""
    missing = np.flatnonzero(~np.isin(wanted, known))
    if len(missing):
        raise SchemaError(
            f"density_pruning: cluster {wanted[missing[0]]} is not in {table} ({len(missing)} of {len(wanted)} are not); "
            f"make {table} again"
        )
    order = np.argsort(known)
    return order[np.searchsorted(known, wanted, sorter=order)]


SCORE = Score(
    compute=density_pruning,
    columns=(
        Column("density_excess", pa.int64(), "rank in the cluster less the rows it keeps; below 0 is kept"),
        Column("density_quota", pa.int64(), "rows that the cluster keeps", bounds=(0, None)),
    ),
    source="Abbas et al. 2024, arXiv:2401.04578",
    version="1",
    keep="low",
    is_on_demand=True,
    named_by={"rank_in_cluster": "rank"},
)
