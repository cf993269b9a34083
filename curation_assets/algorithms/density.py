"""How many rows each cluster keeps when the complex ones keep more: densities, and the quotas that are nearest to them."""

from functools import lru_cache

import numpy as np

from curation_assets.errors import SchemaError

from .vectors import on_grid, require_unit_rows

_BLOCK_ROWS = 512


def separation(centroids: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean cosine distance of each centroid to its nearest others (d_inter).

    Exact sums, so that every machine gives the same bits. Costs k * k * d multiplications; the last two results are kept,
    since every shard asks for the same one.

    Args:
        centroids: float32, shape (k, d), L2 norm 1.
        neighbours: how many others, >= 1; all others where there are fewer.

    Returns:
        float64, shape (k,), in [0, 2]; 0 where there is no other.

    Raises:
        SchemaError: centroids are not unit vectors.

    Example:
        >>> separation(np.float32([[1, 0], [0, 1], [0.6, 0.8]]), 1).round(2).tolist()
        [0.4, 0.2, 0.2]
    """
    require_unit_rows(centroids, "density: centroids")
    return _separation(np.ascontiguousarray(centroids, np.float32).tobytes(), len(centroids), neighbours)


@lru_cache(maxsize=2)
def _separation(content: bytes, k: int, neighbours: int) -> np.ndarray:
    vectors = on_grid(np.frombuffer(content, np.float32).reshape(k, -1)).astype(np.float64)
    found, nearest = np.zeros(k), min(neighbours, k - 1)
    for start in range(0, k if nearest else 0, _BLOCK_ROWS):
        distance = 1 - vectors[start : start + _BLOCK_ROWS] @ vectors.T
        distance[np.arange(len(distance)), np.arange(start, start + len(distance))] = np.inf
        # Sorted, so that they are added in one order whichever way they were found.
        closest = np.sort(np.partition(distance, nearest - 1, axis=1)[:, :nearest], axis=1)
        found[start : start + len(distance)] = np.clip(closest.mean(axis=1), 0, 2)
    found.setflags(write=False)
    return found


def shares(complexity: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of complexity / temperature; float64, shape (k,), adds up to 1."""
    weight = np.exp((complexity - complexity.max(initial=-np.inf)) / temperature)
    return weight / weight.sum()


def quotas(share: np.ndarray, rows: np.ndarray, target: int, *, min_fraction: float = 0.5) -> np.ndarray:
    """Rows that each cluster keeps: as near to share * target as its size allows, and exactly `target` together.

    The solution of the quadratic program, minimise sum (x_c - share_c * target)**2 with sum x_c = target and l_c <= x_c <=
    rows_c, is clip(share_c * target - lambda, l_c, rows_c). It is rounded down, and what is missing goes one each to the
    largest remainders, of equal ones to the first cluster.

    Args:
        share: float64, shape (k,), >= 0.
        rows: int64, shape (k,), >= 1, rows of each cluster.
        target: rows to keep.
        min_fraction: what a cluster keeps at least, as a part of target / k; 0 keeps one row. The last row of a cluster is
            never kept for that.

    Returns:
        int64, shape (k,).

    Raises:
        SchemaError: the target is above the number of rows, or below what clusters keep at least.

    Source:
        Abbas et al. 2024, Effective pruning of web-scale data based on complexity of concept clusters, arXiv:2401.04578; code
        amro-kamal/effective_pruning at 42c8e544, which solves the program numerically and rounds each cluster by itself, so
        that the sum drifts by a few rows.

    Example:
        >>> quotas(np.array([0.5, 0.5]), np.array([10, 200]), 60).tolist()
        [10, 50]
    """
    least = np.minimum(int(target / len(rows) * min_fraction) if min_fraction > 0 else 1, rows - 1)
    if not least.sum() <= target <= rows.sum():
        raise SchemaError(
            f"{target:,} rows cannot be kept of {len(rows):,} clusters: they have {rows.sum():,} rows and keep at least "
            f"{least.sum():,}; keep another fraction, or lower min_fraction (0 keeps one row of each cluster)"
        )
    exact = _projection(share * target, least, rows, target)
    whole = np.floor(exact).astype(np.int64)
    first = np.argsort(whole - exact, kind="stable")
    whole[first[: target - whole.sum()]] += 1
    return whole


def _projection(wanted: np.ndarray, low: np.ndarray, high: np.ndarray, total: int) -> np.ndarray:
    """The nearest point to `wanted` between the bounds whose sum is `total`; the bounds' sums must enclose it.

    clip(wanted - lambda) falls with lambda and bends only where a cluster reaches a bound. So the bends around the total are
    found by bisection, and lambda between them by a division.
    """
    bends = np.unique(np.concatenate([wanted - high, wanted - low]))
    left, right = 0, len(bends)
    while right - left > 1:
        middle = (left + right) // 2
        is_enough = np.clip(wanted - bends[middle], low, high).sum() >= total
        left, right = (middle, right) if is_enough else (left, middle)
    after = bends[min(left + 1, len(bends) - 1)]
    is_free = (wanted - high <= bends[left]) & (wanted - low >= after) & (low < high)
    if not is_free.any():
        return np.clip(wanted - bends[left], low, high)
    fixed = np.clip(wanted - (bends[left] + after) / 2, low, high)[~is_free].sum()
    return np.clip(wanted - (wanted[is_free].sum() - (total - fixed)) / is_free.sum(), low, high)
