"""How many rows each leaf of a tree of clusters gives, so that every level is as balanced as its sizes allow."""

from collections.abc import Sequence

import numpy as np

from curation_assets.errors import SchemaError

from .identity import keyed_bits


def leaf_quotas(rows: np.ndarray, parents: Sequence[np.ndarray], target: int, *, repeats: int = 1, seed: int = 0) -> np.ndarray:
    """Rows wanted of each leaf: the target is shared out over the top clusters, each share over what lies below it, and so on.

    Together the leaves give exactly the target, or all that there is when that is less. A larger target takes from no leaf.
    Costs a sort of each level's clusters.

    Args:
        rows: int, shape (k,), rows of each leaf, >= 0.
        parents: for every level above the leaves the cluster of it that each cluster of the level below belongs to, int,
            beginning with that of the leaves; empty shares the target out over the leaves at once.
        target: rows wanted.
        repeats: how often a row may be taken at most.
        seed: names the draw of the clusters that share the remainders out.

    Returns:
        int64, shape (k,), each between 0 and repeats * rows.

    Raises:
        SchemaError: a size is negative, or the levels do not fit on each other.

    Source:
        Vo et al. 2024, Automatic Data Curation for Self-Supervised Learning, arXiv:2405.15613; code
        facebookresearch/ssl-data-curation at f5405376, which draws the clusters that get a row of the remainder
        from NumPy's global generator. Here a keyed hash of level and cluster number orders them, so that it can
        be repeated.

    Example:
        >>> leaf_quotas(np.array([50, 2, 7]), [np.array([0, 0, 1])], 10).tolist()
        [3, 2, 5]
    """
    sizes = [_checked(rows)]
    for level, parent in enumerate(parents):
        if len(parent) != len(sizes[-1]) or (len(parent) and parent.min() < 0):
            raise SchemaError(f"level {level + 1} has {len(sizes[-1])} clusters, of which {len(parent)} have a parent >= 0")
        above = len(parents[level + 1]) if level + 1 < len(parents) else int(parent.max(initial=-1)) + 1
        if parent.max(initial=-1) >= above:
            raise SchemaError(f"level {level + 2} has {above} clusters; level {level + 1} names number {parent.max()}")
        sizes.append(np.zeros(above, np.int64))
        np.add.at(sizes[-1], parent, sizes[-2])
    quota = np.array([max(target, 0)], np.int64)
    for level in reversed(range(len(sizes))):
        parent = parents[level] if level < len(parents) else np.zeros(len(sizes[level]), np.int64)
        numbers = np.arange(len(parent))
        draw = keyed_bits(numbers, np.full(len(parent), level), seed=seed, method="hierarchical_quota")
        order = np.argsort(parent, kind="stable")
        shares = np.zeros(len(parent), np.int64)
        for members in np.split(order, np.flatnonzero(np.diff(parent[order])) + 1) if len(order) else []:
            shares[members] = cut_quotas(repeats * sizes[level][members], int(quota[parent[members[0]]]), draw[members])
        quota = shares
    return quota


def cut_quotas(limits: np.ndarray, target: int, draw: np.ndarray) -> np.ndarray:
    """Shares out a number of rows over clusters, the same for all but those that have fewer.

    The largest cut t with sum(min(t, limit)) <= target; what is left goes one each to clusters with a limit above t.

    Args:
        limits: int64, shape (k,), the most that each cluster can give, >= 0.
        target: rows wanted, >= 0.
        draw: shape (k,); the smallest of those above the cut get one of what is left, of equals the first.

    Returns:
        int64, shape (k,), in sum min(target, sum of limits).

    Example:
        >>> cut_quotas(np.array([1, 9, 9]), 8, np.array([0, 2, 1])).tolist()
        [1, 3, 4]
    """
    ordered = np.sort(limits)
    before, above = np.cumsum(ordered) - ordered, np.arange(len(limits), 0, -1)
    # What a cut at each limit gives grows with the limit, so the first that gives too much is found by bisection.
    first = int(np.searchsorted(before + above * ordered, target, side="right"))
    if first == len(limits):
        return np.array(limits, np.int64)
    cut = (target - int(before[first])) // int(above[first])
    quota = np.minimum(limits, cut).astype(np.int64)
    larger = np.flatnonzero(limits > cut)
    quota[larger[np.argsort(draw[larger], kind="stable")[: target - int(quota.sum())]]] += 1
    return quota


def _checked(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows).astype(np.int64)
    if rows.min(initial=0) < 0:
        raise SchemaError(f"clusters have 0 rows or more; cluster {int(rows.argmin())} has {rows.min()}")
    return rows
