"""How far a sample ranks above what is kept when hard samples stay, but no cluster is emptied for them."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.order_statistics import fraction_rows
from curation_assets.algorithms.preference_order import preference_order
from curation_assets.spec import Clustering, Prefer, Score
from curation_assets.tables import Column


def prototype_pruning(
    cluster_id: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    keep_fraction: Annotated[float, Field(gt=0, le=1, description="share of the pool's rows that are kept")] = 0.8,
    min_share: Annotated[
        float, Field(ge=0, le=1, description="share of an equal split that a cluster keeps at least; 0 is no balance")
    ] = 0.5,
    prefer: Prefer = "hard",
    clustering: Clustering = "",
) -> np.ndarray:
    """Rank of the sample in the pool, after the rows that each cluster is sure of, less the rows that are kept.

    Of N rows kept and k clusters, every cluster is sure of its first floor(min_share * N / k) rows, or all if it has
    fewer; the rest of N are the most preferred of all others, whatever their cluster. All rows are the pool.

    Args:
        cluster_id: int32, shape (n,).
        preference: float64, shape (n,), the larger the better; of equals the smaller uid comes first.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        keep_fraction: share kept; N = floor(keep_fraction * n + 1e-9).
        min_share: 0 is no balance: the best N of the pool.
        prefer: what `preference` is made of; `hard` is what lies far from the cluster's centroid.
        clustering: names the clustering.

    Returns:
        `prototype_excess`, int64, shape (n,), at most -1 for exactly the N rows that stay.

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486: half of an even share is kept of every class. It
        says to keep the hardest when data is plentiful and the easiest when it is scarce.

    Example:
        >>> cluster, preference, uid = np.int32([0, 0, 0, 1]), np.array([9.0, 8.0, 7.0, 1.0]), np.arange(4)
        >>> prototype_pruning(cluster, preference, uid, uid, keep_fraction=0.5, min_share=1.0).tolist()
        [-2, 0, 1, -1]
    """
    n = len(cluster_id)
    order = preference_order(preference, uid_hi, uid_lo).rows
    kept, clusters = fraction_rows(keep_fraction, n), len(np.unique(cluster_id))
    sure = _ranks_within(cluster_id[order]) < int(kept / clusters * min_share)
    excess = np.empty(n, np.int64)
    excess[np.concatenate([order[sure], order[~sure]])] = np.arange(n) - kept
    return excess


def _ranks_within(cluster: np.ndarray) -> np.ndarray:
    """How many rows before it are in the same cluster."""
    by_cluster = np.argsort(cluster, kind="stable")
    is_first = np.diff(cluster[by_cluster], prepend=cluster.min() - 1) != 0
    at = np.arange(len(cluster))
    rank = np.empty_like(at)
    rank[by_cluster] = at - np.maximum.accumulate(np.where(is_first, at, 0))
    return rank


SCORE = Score(
    compute=prototype_pruning,
    columns=(Column("prototype_excess", pa.int64(), "balanced rank in the pool less the rows kept; below 0 is kept"),),
    source="Sorscher et al. 2022, arXiv:2206.14486",
    version="1",
    keep="low",
    scope="pool",
    is_on_demand=True,
)
