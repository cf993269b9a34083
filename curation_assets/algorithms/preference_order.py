"""Rows in order of preference, and where in it the rows of uids are: what every method that keeps one of many needs."""

from typing import NamedTuple

import numpy as np

from curation_assets.errors import SchemaError

from .identity import uid_places


class PreferenceOrder(NamedTuple):
    """Rows from the most to the least preferred: `rows[rank]` is a row, `rank[row]` its place."""

    rows: np.ndarray
    rank: np.ndarray


def preference_order(preference: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray) -> PreferenceOrder:
    """Rows by preference, high first; of equals the smaller uid, as unsigned number, comes first.

    Args:
        preference: float64, shape (n,), never NaN.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).

    Raises:
        SchemaError: a preference is NaN, so that there is no order.

    Example:
        >>> preference_order(np.array([0.5, 2, 0.5]), np.array([-1, 4, 3]), np.zeros(3, np.int64)).rows.tolist()
        [1, 2, 0]
    """
    preference = np.asarray(preference, np.float64)
    if np.isnan(preference).any():
        raise SchemaError(f"preference must be a number; row {int(np.isnan(preference).argmax())} has NaN")
    rows = np.lexsort((np.asarray(uid_lo).view(np.uint64), np.asarray(uid_hi).view(np.uint64), -preference))
    rank = np.empty(len(rows), np.int64)
    rank[rows] = np.arange(len(rows))
    return PreferenceOrder(rows, rank)


def twin_ranks(
    order: PreferenceOrder, uids: tuple[np.ndarray, np.ndarray], twins: tuple[np.ndarray, np.ndarray], name: str
) -> np.ndarray:
    """Ranks of the rows that former results name by uid; of rows with equal uids the most preferred.

    Args:
        order: of n rows.
        uids: high and low halves of these, int64, shape (n,).
        twins: high and low halves that are looked for, int64, shape (m,).
        name: the score, for the message.

    Raises:
        SchemaError: a twin is not among the rows.
    """
    hi, lo = (half[order.rows] for half in uids)
    return uid_places((hi, lo), twins, f"{name}: a former twin")
