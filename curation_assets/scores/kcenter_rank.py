"""In which order samples join a coreset that no picture of the pool is far from."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.identity import uid_order
from curation_assets.algorithms.kcenter import cover
from curation_assets.algorithms.vectors import on_grid, require_unit_rows
from curation_assets.spec import Score
from curation_assets.tables import Column

_BLOCK_ROWS = 2048
_FARTHEST = 2.0  # distance of opposite unit vectors


def kcenter_rank(
    image_embedding: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    most: Annotated[int, Field(ge=1, description="rows that are ranked; the others all come after them")] = 1000,
) -> dict[str, np.ndarray]:
    """Rank of the sample in a k-center greedy coreset, and its distance to the samples ranked before it.

    The first is the row nearest to the mean direction of the pool, each next one the row that is farthest from those before,
    of equals the smaller uid. Every coreset of b <= most rows is a threshold, rank <= b - 1. All rows are the pool, held in
    memory: costs most * n * d multiplications. Outliers come first, and ranks change when rows come or go.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        most: rows that are ranked.

    Returns:
        `kcenter_rank`, int32, shape (n,), 0 for the first, `most` for rows that are not ranked; `kcenter_distance`, float32,
        in [0, 2], Euclidean distance to the nearest row ranked before it, 2 for the first.

    Raises:
        SchemaError: rows are not unit vectors.

    Source:
        Sener and Savarese 2018, Active learning for convolutional neural networks: a core-set approach, arXiv:1708.00489,
        algorithm 1, which starts from labelled rows; the row nearest to the mean takes their place.

    Example:
        >>> rows = np.float32([[1, 0], [0.8, 0.6], [-1, 0]])
        >>> found = kcenter_rank(rows, np.arange(3), np.arange(3))
        >>> found["kcenter_rank"].tolist(), found["kcenter_distance"].round(2).tolist()
        ([2, 0, 1], [0.6299999952316284, 2.0, 1.899999976158142])
    """
    require_unit_rows(image_embedding, "kcenter_rank: image_embedding")
    n = len(image_embedding)
    place = np.empty(n, np.int64)
    place[uid_order(uid_hi, uid_lo)] = np.arange(n)
    first = _central(image_embedding, place)
    found = cover(image_embedding, np.array([first]), place, min(most, n) - 1)
    rank, distance = np.full(n, most, np.int32), found.distance
    rank[first], distance[first] = 0, _FARTHEST
    rank[found.picked], distance[found.picked] = np.arange(1, len(found.picked) + 1), found.radius
    return {"kcenter_rank": rank, "kcenter_distance": np.minimum(distance, _FARTHEST).astype(np.float32)}


def _central(vectors: np.ndarray, place: np.ndarray) -> int:
    """The row nearest to the mean direction; the sum of vectors on the grid is exact for 2**26 rows and fewer."""
    starts = range(0, len(vectors), _BLOCK_ROWS)
    total = sum(on_grid(vectors[s : s + _BLOCK_ROWS]).sum(axis=0, dtype=np.float64) for s in starts)
    near = [np.einsum("ij,j->i", vectors[s : s + _BLOCK_ROWS].astype(np.float64), total) for s in starts]
    nearness = np.concatenate(near)
    nearest = np.flatnonzero(nearness == nearness.max())
    return int(nearest[place[nearest].argmin()])


SCORE = Score(
    compute=kcenter_rank,
    columns=(
        Column("kcenter_rank", pa.int32(), "rank in the coreset, 0 is the first", bounds=(0, None)),
        Column("kcenter_distance", pa.float32(), "distance to the nearest row ranked before it", bounds=(0, 2)),
    ),
    source="Sener and Savarese 2018, arXiv:1708.00489",
    version="1",
    keep="low",
    scope="pool",
    is_on_demand=True,
)
