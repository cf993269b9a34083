"""How often a sample is repeated so that the pool's pictures are spread over clusters as a target set's are."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.keyed_uniform import keyed_uniform
from curation_assets.errors import SchemaError
from curation_assets.spec import Score
from curation_assets.tables import Column


def image_based_copies(
    cluster_id: np.ndarray,
    cluster_targets: Mapping[str, np.ndarray],
    cluster_statistics: Mapping[str, np.ndarray],
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    target: Annotated[str | None, Field(description="target set that the clusters are counted for")] = None,
    budget: Annotated[int, Field(ge=1, description="rows wanted, copies counted")] = 12_800_000,
    seed: Annotated[int, Field(ge=0, description="names the draw")] = 0,
) -> dict[str, np.ndarray]:
    """Copies of each sample in a draw of clusters by their share of the target set, then of samples within a cluster.

    A row of cluster c is expected budget * s_c / (S * n_c) times, with s_c target pictures and n_c rows in the cluster, S
    target pictures in all clusters with rows. It has that many copies, rounded down or up by a draw of its own, so that the
    sum is the budget on average: within about the root of the rows that are rounded.

    Args:
        cluster_id: int32, shape (n,).
        cluster_targets: `cluster_id` and `targets` of the clusters that have target pictures, each cluster once.
        cluster_statistics: `cluster_id` and `cluster_rows` of the clusters that have rows.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        target: names the target set.
        budget: rows wanted.
        seed: names the draw.

    Returns:
        `image_based_copies`, int64, shape (n,), >= 0, and `image_based_expected`, float64, what it is on average.

    Raises:
        SchemaError: a row's cluster has no rows, so that the statistics are of other rows.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, image-based sampling. There rows are drawn with replacement one after
        another, so that counts scatter more; here each row's count depends on its uid and cluster alone.

    Example:
        >>> targets = {"cluster_id": np.int32([0, 1, 9]), "targets": np.int64([3, 1, 5])}
        >>> rows = {"cluster_id": np.int32([0, 1]), "cluster_rows": np.int64([1, 1])}
        >>> uid = np.arange(2)
        >>> image_based_copies(np.int32([0, 1]), targets, rows, uid, uid, budget=8)["image_based_copies"].tolist()
        [6, 2]
    """
    size = 1 + int(
        max(c.max(initial=-1) for c in (cluster_id, cluster_targets["cluster_id"], cluster_statistics["cluster_id"]))
    )
    wanted, rows = np.zeros(size, np.int64), np.zeros(size, np.int64)
    wanted[cluster_targets["cluster_id"]] = cluster_targets["targets"]
    rows[cluster_statistics["cluster_id"]] = cluster_statistics["cluster_rows"]
    unknown = np.flatnonzero(rows[cluster_id] == 0)
    if len(unknown):
        raise SchemaError(
            f"image_based_copies: row {unknown[0]} is in cluster {cluster_id[unknown[0]]}, which has no rows in "
            f"cluster_statistics ({len(unknown)} of {len(cluster_id)} rows); make cluster_statistics again"
        )
    total = int(wanted[rows > 0].sum())
    expected = budget * wanted[cluster_id] / (max(total, 1) * rows[cluster_id])
    whole = np.floor(expected)
    is_up = keyed_uniform(uid_hi, uid_lo, seed=seed, method="image_based_copies") <= expected - whole
    return {"image_based_copies": (whole + is_up).astype(np.int64), "image_based_expected": expected}


SCORE = Score(
    compute=image_based_copies,
    columns=(
        Column("image_based_copies", pa.int64(), "times that the sample is repeated", bounds=(0, None)),
        Column("image_based_expected", pa.float64(), "times that it is repeated on average", bounds=(0, None)),
    ),
    source="DataComp, arXiv:2304.14108",
    version="1",
    is_on_demand=True,
    label="target",
)
