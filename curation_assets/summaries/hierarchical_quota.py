"""How many samples each cluster gives to a balanced subset, over a tree of clusters of clusters."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.hierarchical_quota import leaf_quotas
from curation_assets.algorithms.spherical_kmeans import spherical_kmeans
from curation_assets.errors import SchemaError
from curation_assets.spec import Clustering, Summary
from curation_assets.tables import Column

_LEVELS = r"^([1-9][0-9]*(,[1-9][0-9]*)*)?$"
_Rows = Annotated[int, Field(ge=1, description="samples wanted")]
_Levels = Annotated[str, Field(pattern=_LEVELS, description="clusters of level 2, 3 and so on; empty: the clusters alone")]
_Seed = Annotated[int, Field(ge=0, description="names the draws")]


def hierarchical_quota(
    centroids: Mapping[str, np.ndarray],
    cluster_statistics: Mapping[str, np.ndarray],
    *,
    rows: _Rows = 1_000_000,
    levels: _Levels = "100,10",
    seed: _Seed = 0,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """Samples wanted of each cluster, so that all levels of a tree of clusters are as balanced as their sizes allow.

    The recipe's clusters are the leaves. Level 2 clusters their centroids, level 3 those of level 2; every centroid counts
    once, however many samples it has. The rows wanted are shared out evenly over the top clusters, each share over the
    clusters below it, and no cluster gives more than it has. Costs k * k2 * d multiplications for each of at most 50
    iterations of k-means: on 2 cores of a Xeon 20,000 clusters of 512 numbers took 2.5 s, and 11 s with
    levels 1000,100,10 (2026).

    Args:
        centroids: columns of the table of that name, `centroid` as float32, shape (k, d).
        cluster_statistics: `cluster_id` and `cluster_rows` of clusters that have samples.
        rows: samples wanted in all; all are when there are fewer.
        levels: numbers of clusters, each smaller than the one before; fewer are made where there are fewer directions.
        seed: names the draws of the start of k-means, and of the clusters that get one more where the rest does not divide.
        clustering: names the clustering.

    Returns:
        `cluster_id`, int32, ascending, all clusters; `quota`, int64, >= 0, in sum the rows wanted.

    Raises:
        SchemaError: levels are no descending numbers, or statistics and centroids are of two clusterings.

    Source:
        Vo et al. 2024, Automatic Data Curation for Self-Supervised Learning, arXiv:2405.15613; code
        facebookresearch/ssl-data-curation at f5405376, where the k-means is Euclidean and may be repeated on the points
        closest to the centroids, which is left out here. Its web pictures have 10M, 500k, 50k and 10k clusters.

    Example:
        >>> found = {"cluster_id": np.arange(3), "cluster_rows": np.array([50, 2, 7])}
        >>> vectors = {"centroid": np.float32([[1, 0], [0.9, 0.1], [0, 1]])}
        >>> hierarchical_quota(vectors, found, rows=10, levels="2")["quota"].tolist()
        [3, 2, 5]
    """
    k = len(centroids["centroid"])
    clusters = cluster_statistics["cluster_id"]
    if clusters.max(initial=-1) >= k:
        raise SchemaError(
            f"hierarchical_quota: cluster_statistics has cluster {clusters.max()} and there are {k} centroids: they are of two "
            "clusterings; make cluster_statistics again"
        )
    sizes = np.zeros(k, np.int64)
    sizes[clusters] = cluster_statistics["cluster_rows"]
    parents, vectors = [], centroids["centroid"]
    for count in _counts(levels) if k else []:
        vectors, parent = spherical_kmeans(vectors, count, seed=seed)
        parents.append(parent)
    return {"cluster_id": np.arange(k, dtype=np.int32), "quota": leaf_quotas(sizes, parents, rows, seed=seed)}


def unmerged(
    columns: Mapping[str, np.ndarray],
    *,
    rows: _Rows = 1_000_000,
    levels: _Levels = "100,10",
    seed: _Seed = 0,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """The same: the clusters are shared out as a whole, so there are no parts to merge."""
    return dict(columns)


def _counts(levels: str) -> list[int]:
    counts = [int(count) for count in levels.split(",") if count] if re.fullmatch(_LEVELS, levels) else [0]
    if 0 in counts or any(upper >= lower for lower, upper in pairwise(counts)):
        raise SchemaError(f"hierarchical_quota: levels are descending numbers of clusters such as '100,10'; found {levels!r}")
    return counts


SUMMARY = Summary(
    compute=hierarchical_quota,
    merge=unmerged,
    columns=(
        Column("cluster_id", pa.int32(), "cluster"),
        Column("quota", pa.int64(), "samples wanted of it", bounds=(0, None)),
    ),
    source="Vo et al. 2024, arXiv:2405.15613",
    version="1",
)
