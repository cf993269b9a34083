"""How many rows each cluster gives to a sample that is spread evenly over a hierarchy of clusters."""

from collections.abc import Sequence

import numpy as np

from curation_assets.errors import SchemaError

from .identity import keyed_bits


def even_quotas(rows: np.ndarray, target: int, names: np.ndarray, *, seed: int, method: str) -> np.ndarray:
    """Quotas that are equal but for clusters that have not enough rows: min(t, rows) with the largest whole cut t that fits.

    What is then missing goes one each to clusters that have more than t, drawn by a keyed hash of their names. So a larger
    target never takes a row from a cluster.

    Args:
        rows: int64, shape (k,), >= 0, most that each cluster can give.
        target: rows wanted together; all are given where there are fewer.
        names: int64, shape (k,), different numbers of the clusters.
        seed: together with `method`, names the draw.
        method: what the draw is for.

    Returns:
        int64, shape (k,), adds up to min(target, rows.sum()).

    Example:
        >>> even_quotas(np.array([1, 9, 4]), 9, np.arange(3), seed=0, method="example").tolist()
        [1, 4, 4]
    """
    if target >= rows.sum():
        return rows.astype(np.int64)
    sizes = np.sort(rows)
    # With cut t the clusters of t rows and fewer give all: `below[i]` rows in all, and the others t each.
    below = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    others = np.arange(len(sizes), 0, -1)
    is_short = below + sizes * others > target  # the i-th smallest cluster cannot give all under an even cut
    at = int(np.flatnonzero(is_short)[0])
    cut = int((target - below[at]) // others[at])
    quota = np.minimum(rows, cut).astype(np.int64)
    longer = np.flatnonzero(rows > cut)
    draw = keyed_bits(np.full(len(longer), cut), names[longer], seed=seed, method=method)
    quota[longer[np.lexsort((names[longer], draw))[: target - quota.sum()]]] += 1
    return quota


def hierarchical_quotas(
    rows: np.ndarray, parents: Sequence[np.ndarray], target: int, *, repeats: int = 1, seed: int = 0
) -> np.ndarray:
    """Even quotas from the top of a hierarchy of clusters down to its leaves.

    The top clusters share the target evenly, as far as their rows allow, then the children of each share what it got. So a
    concept that many leaves crowd around counts once per level, not once per leaf.

    Args:
        rows: int64, shape (k_1,), rows of each leaf.
        parents: for each level but the top, from the leaves up, the cluster of the level above, int, shape (k_level,).
        target: rows wanted.
        repeats: how often a row may be given.
        seed: names the draws of single rows that an even cut leaves over.

    Returns:
        int64, shape (k_1,), quotas of the leaves, adding up to min(target, repeats * rows.sum()).

    Raises:
        SchemaError: a level has another number of clusters than its parents name.

    Source:
        Vo et al. 2024, Automatic data curation for self-supervised learning: a clustering-based approach, arXiv:2405.15613,
        section 3.4; facebookresearch/ssl-data-curation at f5405376 draws what is left over with NumPy's global generator,
        here by keyed hash.

    Example:
        >>> hierarchical_quotas(np.array([100, 100, 100, 5]), [np.array([0, 0, 0, 1])], 35).sum()
        np.int64(35)
        >>> hierarchical_quotas(np.array([100, 100, 100, 5]), [np.array([0, 0, 0, 1])], 35).tolist()
        [10, 10, 10, 5]
    """
    sizes = [np.asarray(rows, np.int64) * repeats]
    for level, parent in enumerate(parents):
        if len(parent) != len(sizes[-1]) or (len(parent) and parent.min() < 0):
            raise SchemaError(
                f"hierarchical_quotas: level {level} has {len(sizes[-1])} clusters and {len(parent)} parents; "
                "give the parent, 0 or more, of each cluster"
            )
        above = np.zeros(int(parent.max(initial=-1)) + 1, np.int64)
        np.add.at(above, parent, sizes[-1])
        sizes.append(above)
    method = "hierarchical_quotas"
    quota = even_quotas(sizes[-1], target, np.arange(len(sizes[-1])), seed=seed, method=f"{method} {len(parents)}")
    for level in range(len(parents) - 1, -1, -1):
        shared = np.zeros(len(sizes[level]), np.int64)
        order = np.argsort(parents[level], kind="stable")
        counts = np.bincount(parents[level], minlength=len(quota))
        for cluster, members in enumerate(np.split(order, np.cumsum(counts)[:-1])):
            given = int(quota[cluster])
            shared[members] = even_quotas(sizes[level][members], given, members, seed=seed, method=f"{method} {level}")
        quota = shared
    return quota
