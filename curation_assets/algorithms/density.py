"""Density-based pruning: how many rows each cluster keeps, by how wide it is and how far from the others.

Also the fixed point in which distances to centroids are summed, so that their sum does not depend on the order of rows.
"""

import numpy as np

from curation_assets.errors import SchemaError

from .vectors import require_unit_rows

# Distances of up to 2 in int64: more than 10^9 rows fit. A float32 similarity of 2**-8 or more is a multiple of this, and
# 2**-40 would overflow at 4 million rows of one cluster.
DISTANCE_UNIT = 2.0**-32
_BLOCK_ROWS = 1024  # centroids compared at once with all others


def fixed_distance(centroid_similarity: np.ndarray) -> np.ndarray:
    """Cosine distance 1 - similarity in units of `DISTANCE_UNIT`, int64, shape (n,): integers add up in any order.

    Args:
        centroid_similarity: float32, shape (n,), in [-1, 1].

    Example:
        >>> (fixed_distance(np.float32([0.25, 1])) * DISTANCE_UNIT).tolist()
        [0.75, 0.0]
    """
    return np.rint((1 - np.asarray(centroid_similarity, np.float64)) / DISTANCE_UNIT).astype(np.int64)


def centroid_distance(centroids: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean cosine distance of each centroid to its nearest others (d_inter); costs k * k * d multiplications.

    Args:
        centroids: float32, shape (k, d), L2 norm 1.
        neighbours: others that are counted, >= 1; all others where there are fewer.

    Returns:
        float64, shape (k,), in [0, 2]; 0 where there is no other.

    Raises:
        SchemaError: centroids are not unit vectors, so that a dot product is not a cosine.

    Example:
        >>> centroid_distance(np.float32([[1, 0], [0, 1], [-1, 0]]), 1).tolist()
        [1.0, 1.0, 1.0]
    """
    require_unit_rows(centroids, "density: centroids")
    k = len(centroids)
    nearest = min(neighbours, k - 1)
    if nearest < 1:
        return np.zeros(k)
    distance = np.empty(k)
    for start in range(0, k, _BLOCK_ROWS):
        block = centroids[start : start + _BLOCK_ROWS]
        away = 1 - block @ centroids.T
        away[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        near = np.partition(away, nearest - 1, axis=1)[:, :nearest]
        distance[start : start + len(block)] = near.mean(axis=1, dtype=np.float64)
    return np.clip(distance, 0, 2)


def density_shares(complexity: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of complexity / temperature: the share of the kept rows that each cluster should have, float64, sum 1."""
    scaled = np.asarray(complexity, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(initial=-np.inf))
    return powers / powers.sum()


def least_rows(cluster_rows: np.ndarray, kept: int, min_share: float) -> np.ndarray:
    """Rows that each cluster keeps at least, int64: one, or a share of an equal split; never all rows of a cluster.

    Args:
        cluster_rows: int64, shape (k,), >= 1.
        kept: rows kept of all clusters.
        min_share: share of kept / k, in [0, 1]; 0 stands for one row.
    """
    least = int(kept / max(len(cluster_rows), 1) * min_share) if min_share > 0 else 1
    return np.minimum(least, cluster_rows - 1)


def bounded_projection(wanted: np.ndarray, least: np.ndarray, most: np.ndarray, total: int) -> np.ndarray:
    """The numbers nearest to the wanted ones, between bounds and with a given sum.

    The solution is clip(wanted - shift, least, most). Its sum falls as the shift grows, linearly between the shifts at which
    a number leaves a bound or comes to one: the two around the total are found by bisection, and then the shift is exact.

    Args:
        wanted: float64, shape (k,).
        least: int64, shape (k,).
        most: int64, shape (k,), >= least.
        total: between the sums of `least` and `most`.

    Returns:
        float64, shape (k,), with the sum `total` to rounding.

    Example:
        >>> bounded_projection(np.array([5.0, 3, 0]), np.array([0, 0, 1]), np.array([4, 9, 9]), 8).tolist()
        [4.0, 3.0, 1.0]
    """
    bends = np.unique(np.concatenate([wanted - most, wanted - least]))
    low, high = 0, len(bends) - 1
    while high - low > 1:
        middle = (low + high) // 2
        is_above = np.clip(wanted - bends[middle], least, most).sum() >= total
        low, high = (middle, high) if is_above else (low, middle)
    inside = wanted - (bends[low] + bends[high]) / 2
    is_least, is_most = inside <= least, inside >= most
    is_free = ~(is_least | is_most)
    fixed = least[is_least & ~is_most].sum() + most[is_most].sum()
    shift = (wanted[is_free].sum() + fixed - total) / max(int(is_free.sum()), 1)
    return np.where(is_most, most, np.where(is_least, least, np.clip(wanted - shift, least, most)))


def whole_numbers(values: np.ndarray, total: int) -> np.ndarray:
    """Values rounded down, then up where the fractions are largest, so that the sum is exact; of equals the first goes up.

    Args:
        values: float64, shape (k,), >= 0, whose sum is `total` to rounding.
        total: sum of the result.

    Returns:
        int64, shape (k,).

    Example:
        >>> whole_numbers(np.array([1.25, 2.5, 0.25]), 4).tolist()
        [1, 3, 0]
    """
    whole = np.floor(values).astype(np.int64)
    largest = np.argsort(-(values - whole), kind="stable")
    whole[largest[: total - int(whole.sum())]] += 1
    return whole


def density_quotas(
    complexity: np.ndarray, cluster_rows: np.ndarray, kept: int, *, temperature: float, min_share: float
) -> np.ndarray:
    """Rows that each cluster keeps; their sum is `kept`, exactly.

    Args:
        complexity: float64, shape (k,), d_intra * d_inter of each cluster.
        cluster_rows: int64, shape (k,), >= 1.
        kept: rows kept of all clusters, at most their sum.
        temperature: of the softmax, > 0; the larger, the more even.
        min_share: share of kept / k that each cluster keeps at least; 0 stands for one row.

    Returns:
        int64, shape (k,), between 0 and `cluster_rows`.

    Raises:
        SchemaError: fewer rows are kept than clusters keep at least, or more than there are.

    Source:
        Abbas et al. 2024, Effective pruning of web-scale datasets based on complexity of concept clusters, arXiv:2401.04578;
        code amro-kamal/effective_pruning at 42c8e544, which asks a solver for the quadratic program and rounds each cluster
        by itself, so that the sum drifts by some rows; its solver finds nothing where there is no solution. Clusters without
        rows take no part here.

    Example:
        >>> density_quotas(np.array([0.1, 0.1, 0.4]), np.array([10, 10, 10]), 9, temperature=0.5, min_share=0.5).tolist()
        [3, 2, 4]
    """
    least, total = least_rows(cluster_rows, kept, min_share), int(cluster_rows.sum())
    if not int(least.sum()) <= kept <= total:
        raise SchemaError(
            f"density: {kept} rows are to be kept, but {len(cluster_rows)} clusters keep at least {int(least.sum())} and have "
            f"{total}; choose a keep_fraction between, fewer clusters, or a min_share between 0 and 1 (found {min_share:g}; 0 "
            "is one row of each cluster)"
        )
    if not total:
        return np.zeros(len(cluster_rows), np.int64)
    wanted = density_shares(complexity, temperature) * kept
    return whole_numbers(bounded_projection(wanted, least, cluster_rows, kept), kept)
