"""Place of a sample in its cluster, beside the number of samples that a balanced subset takes of the cluster."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.preference_order import preference_order
from curation_assets.errors import SchemaError
from curation_assets.spec import Clustering, Prefer, Score
from curation_assets.tables import Column


def hierarchical_sampling(
    cluster_id: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    hierarchical_quota: Mapping[str, np.ndarray],
    *,
    prefer: Prefer = "random",
    rows: Annotated[int, Field(ge=1, description="samples wanted")] = 1_000_000,
    levels: Annotated[
        str,
        Field(
            pattern=r"^([1-9][0-9]*(,[1-9][0-9]*)*)?$",
            description="clusters of level 2, 3 and so on; empty: the clusters alone",
        ),
    ] = "100,10",
    seed: Annotated[int, Field(ge=0, description="names the draws of the tree of clusters")] = 0,
    clustering: Clustering = "",
) -> dict[str, np.ndarray]:
    """Place of the sample in its cluster by preference, the cluster's quota, and the place less the quota.

    Those with an excess below 0 are the subset of `rows` samples that is balanced over a tree of clusters of clusters: what
    the filter hierarchical_sampling keeps. A larger number of rows only adds samples. Samples without a preference take no
    place, so a cluster may have fewer than its quota.

    Args:
        cluster_id: int32, shape (n,).
        preference: float64, shape (n,), high is preferred; the setting `prefer` says what it is.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        hierarchical_quota: `cluster_id` and `quota` of the clusters.
        prefer: names the preference; the paper's `r` is random, its `c` is easy.
        rows: samples wanted in all.
        levels: numbers of clusters above the recipe's, each smaller than the one before.
        seed: names the draws that make the tree and share out remainders.
        clustering: names the clustering whose clusters are the leaves.

    Returns:
        int64, shape (n,): `leaf_rank`, 0 for the most preferred of the cluster, of equals the smaller uid; `leaf_quota`;
        `leaf_excess`, the rank less the quota.

    Raises:
        SchemaError: a sample's cluster has no quota, or a preference is NaN.

    Source:
        Vo et al. 2024, Automatic Data Curation for Self-Supervised Learning, arXiv:2405.15613; code
        facebookresearch/ssl-data-curation at f5405376, without repeats of small clusters.

    Example:
        >>> uid, quota = np.arange(3), {"cluster_id": np.int32([4, 9]), "quota": np.int64([1, 5])}
        >>> hierarchical_sampling(np.int32([4, 4, 9]), np.array([0.1, 0.2, 0]), uid, uid, quota)["leaf_excess"].tolist()
        [0, -1, -5]
    """
    known = np.argsort(hierarchical_quota["cluster_id"], kind="stable")
    clusters = hierarchical_quota["cluster_id"][known]
    place = np.searchsorted(clusters, cluster_id)
    is_missing = place == len(clusters)
    is_missing[~is_missing] = clusters[place[~is_missing]] != cluster_id[~is_missing]
    if is_missing.any():
        raise SchemaError(
            f"hierarchical_sampling: cluster {cluster_id[is_missing.argmax()]} has no quota ({len(clusters)} clusters have): "
            "hierarchical_quota is of another clustering; make it again"
        )
    order = preference_order(preference, uid_hi, uid_lo).rows
    order = order[np.argsort(cluster_id[order], kind="stable")]
    is_first = np.diff(cluster_id[order], prepend=cluster_id[order][:1] - 1) != 0
    rank, number = np.empty(len(order), np.int64), np.arange(len(order))
    rank[order] = number - np.maximum.accumulate(np.where(is_first, number, 0))
    quota = hierarchical_quota["quota"][known][place]
    return {"leaf_rank": rank, "leaf_quota": quota, "leaf_excess": rank - quota}


SCORE = Score(
    compute=hierarchical_sampling,
    columns=(
        Column("leaf_rank", pa.int64(), "preferred samples of the cluster; 0 is the most preferred", bounds=(0, None)),
        Column("leaf_quota", pa.int64(), "samples wanted of the cluster", bounds=(0, None)),
        Column("leaf_excess", pa.int64(), "rank less quota; the sample is in the balanced subset where it is below 0"),
    ),
    source="Vo et al. 2024, arXiv:2405.15613",
    version="1",
    keep="low",
    scope="cluster",
    is_on_demand=True,
)
