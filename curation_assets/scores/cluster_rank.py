"""A row's place among the rows of its cluster, for quotas and fractions of every cluster."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.preference_order import preference_order
from curation_assets.spec import Clustering, Prefer, Score
from curation_assets.tables import Column


def cluster_rank(
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Prefer = "hard",
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """Rank of each sample in its cluster by preference, of equals the smaller uid first; all rows are one cluster.

    Rows without a preference have no rank and do not count. Costs a sort.

    Args:
        preference: float64, shape (n,), high for what is preferred.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: what the preference is.
        clustering: names the clustering.

    Returns:
        `cluster_rank`, int32, 0 for the most preferred; `cluster_rank_share`, float64, rank / n; `cluster_rank_fraction`,
        float64, the smallest f with floor(f * n + 1e-9) > rank, so that `max: f` keeps exactly that many rows of the cluster;
        `cluster_size`, int32, n; shape (n,) each.

    Raises:
        SchemaError: a preference is NaN.

    Source:
        Yu et al. 2024, Diversify and Conquer, arXiv:2409.11378, equal quotas per cluster; Sorscher et al. 2022, Beyond
        neural scaling laws, arXiv:2206.14486, fractions of classes. Both leave ties to the sort.

    Example:
        >>> found = cluster_rank(np.array([0.5, 2, 0.5, 1]), np.array([2, 4, 1, 3]), np.zeros(4, int))
        >>> found["cluster_rank"].tolist(), found["cluster_rank_share"].tolist()
        ([3, 0, 2, 1], [0.75, 0.0, 0.5, 0.25])
    """
    rank, n = preference_order(preference, uid_hi, uid_lo).rank, len(preference)
    return {
        "cluster_rank": rank.astype(np.int32),
        "cluster_rank_share": rank / max(n, 1),
        "cluster_rank_fraction": _smallest_fraction(rank, n),
        "cluster_size": np.full(n, n, np.int32),
    }


def _smallest_fraction(rank: np.ndarray, n: int) -> np.ndarray:
    """Smallest float64 f with floor(f * n + 1e-9) > rank as floating point has it: solved, then moved by its last bits."""
    fraction = (rank + 1 - 1e-9) / max(n, 1)
    while (is_short := np.floor(fraction * n + 1e-9) <= rank).any():
        fraction[is_short] = np.nextafter(fraction[is_short], 1)
    while (is_long := np.floor((lower := np.nextafter(fraction, 0)) * n + 1e-9) > rank).any():
        fraction[is_long] = lower[is_long]
    return fraction


SCORE = Score(
    compute=cluster_rank,
    columns=(
        Column("cluster_rank", pa.int32(), "rows of the cluster that are preferred to it", bounds=(0, None)),
        Column("cluster_rank_share", pa.float64(), "the same as share of the cluster's rows", bounds=(0, 1)),
        Column("cluster_rank_fraction", pa.float64(), "smallest fraction of the cluster that it is in", bounds=(0, 1)),
        Column("cluster_size", pa.int32(), "rows of the cluster", bounds=(1, None)),
    ),
    source="Yu et al. 2024, arXiv:2409.11378",
    version="1",
    keep="low",
    scope="cluster",
    is_on_demand=True,
    label="prefer",
)
