"""Samples that belong together: equal values, and components of pairs. Rows come in order of preference everywhere here."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from .preference_order import PreferenceOrder

Edges = tuple[np.ndarray, np.ndarray]


class Places(NamedTuple):
    """Per row: how many of its group are preferred to it (0 is the survivor), rows of the group, row of the survivor."""

    rank: np.ndarray
    size: np.ndarray
    survivor: np.ndarray


def equal_values(values: np.ndarray) -> np.ndarray:
    """The same number for equal values, in the order in which they first appear.

    Args:
        values: str or bytes objects, shape (n,); or numbers of shape (n,) or (n, d), where a whole row is one value.

    Returns:
        int64, shape (n,), 0 to number of different values - 1. Values themselves are compared, not digests of them.

    Example:
        >>> equal_values(np.array(["b", "a", "b"], object)).tolist()
        [0, 1, 0]
    """
    if values.dtype == object:
        return pa.array(values).dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    columns = values[:, None] if values.ndim == 1 else values
    order = np.lexsort(columns.T[::-1])  # stable: of equal rows the first comes first
    is_new = np.concatenate([[True], (columns[order][1:] != columns[order][:-1]).any(axis=1)])[: len(order)]
    first = np.empty(len(order), np.int64)
    first[order] = order[is_new][np.cumsum(is_new) - 1]
    return np.cumsum(first == np.arange(len(first)))[first] - 1


def places(group: np.ndarray) -> Places:
    """Place of each row in its group, by order of the rows.

    Args:
        group: int64, shape (n,); equal numbers are one group.

    Example:
        >>> places(np.array([7, 3, 7, 7])).rank.tolist()
        [0, 0, 1, 2]
    """
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(group)])
    sizes = np.diff(np.append(begins, len(group)))
    rank, size, survivor = np.empty((3, len(group)), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(begins, sizes)
    size[order] = np.repeat(sizes, sizes)
    survivor[order] = np.repeat(order[begins], sizes)
    return Places(rank, size, survivor)


def ranked_copies(values: np.ndarray, order: PreferenceOrder) -> tuple[np.ndarray, np.ndarray]:
    """How many preferred rows have the same value as each row, and how many rows have it, int32, shape (n,) each."""
    place = places(equal_values(values[order.rows]))
    return place.rank[order.rank].astype(np.int32), place.size[order.rank].astype(np.int32)


def components(n: int, edges: Iterable[Edges]) -> np.ndarray:
    """Connected components of a graph on rows 0 to n - 1: the smallest row that each is connected to.

    Edges are folded in as they come, so they may be more than memory holds. Of each edge between two trees the larger
    root is hung below the smaller one, then every row is pointed at its root.

    Args:
        n: number of rows.
        edges: pairs of index arrays of equal length; either direction, repeats and loops are harmless.

    Returns:
        int64, shape (n,).

    Source:
        Shiloach and Vishkin 1982, An O(log n) parallel connectivity algorithm (hooking and pointer jumping).

    Example:
        >>> components(5, [(np.array([4, 1]), np.array([3, 4]))]).tolist()
        [0, 1, 2, 1, 1]
    """
    root = np.arange(n)
    for left, right in edges:
        a, b = root[left], root[right]
        while (is_open := a != b).any():
            left, right = left[is_open], right[is_open]
            low, high = np.minimum(a, b)[is_open], np.maximum(a, b)[is_open]
            np.minimum.at(root, high, low)
            while (root[root] != root).any():
                root = root[root]
            a, b = root[left], root[right]
    return root


def chained(group: np.ndarray) -> Edges:
    """Edges that connect every row with the survivor of its group; as many as there are rows that are not."""
    survivor = places(group).survivor
    rows = np.flatnonzero(survivor != np.arange(len(group)))
    return rows, survivor[rows]
