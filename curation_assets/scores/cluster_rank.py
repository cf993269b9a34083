"""Where a sample stands among those of its cluster."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.spec import Score
from curation_assets.tables import Column


def cluster_rank(
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Annotated[
        str,
        Field(description="which comes first: hard, easy, random, oldest, or a numeric column, low_ before it for the least"),
    ] = "hard",
) -> dict[str, np.ndarray]:
    """Rank of the sample in its cluster by preference, and the share of the cluster that ranks so high.

    All rows are one cluster. A quota of q rows of each cluster is rank <= q - 1, a fraction f is share <= f, which keeps
    floor(f * rows) of them. Ranks move when rows come to the cluster.

    Args:
        preference: float64, shape (n,), the larger the better; of equals the smaller uid comes first.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: what `preference` is made of; `hard` is what lies far from the cluster's centroid.

    Returns:
        `cluster_rank`, int32, shape (n,), 0 for the most preferred; `cluster_rank_share`, float64, (rank + 1) / n;
        `cluster_size`, int32, n.

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486, prunes by the distance to the centroid over the
        whole pool; per cluster, as here, in the code of Okanovic et al. 2023, Repeated random sampling, arXiv:2305.18424
        (PatrikOkanovic/RS2 at 99edfc8a).

    Example:
        >>> found = cluster_rank(np.array([0.5, 0.9, 0.5]), np.array([2, 3, 1]), np.zeros(3, int))
        >>> found["cluster_rank"].tolist(), found["cluster_rank_share"].round(2).tolist()
        ([2, 0, 1], [1.0, 0.33, 0.67])
    """
    n = len(preference)
    rank = np.empty(n, np.int32)
    rank[np.lexsort((uid_lo.view(np.uint64), uid_hi.view(np.uint64), -preference))] = np.arange(n, dtype=np.int32)
    return {
        "cluster_rank": rank,
        "cluster_rank_share": (rank + 1.0) / n,
        "cluster_size": np.full(n, n, np.int32),
    }


SCORE = Score(
    compute=cluster_rank,
    columns=(
        Column("cluster_rank", pa.int32(), "rank in the cluster, 0 is the most preferred", bounds=(0, None)),
        Column("cluster_rank_share", pa.float64(), "share of the cluster that ranks as high or higher", bounds=(0, 1)),
        Column("cluster_size", pa.int32(), "samples of the cluster", bounds=(1, None)),
    ),
    source="Sorscher et al. 2022, arXiv:2206.14486",
    version="1",
    keep="low",
    scope="cluster",
    is_on_demand=True,
    label="prefer",
)
