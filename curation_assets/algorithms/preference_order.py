"""Rows in order of preference, and rows found by their uid: what every method that keeps one of many needs."""

from typing import NamedTuple

import numpy as np

from curation_assets.errors import SchemaError


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


def rows_of_uids(uid: tuple[np.ndarray, np.ndarray], wanted: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The row that has each wanted uid.

    Args:
        uid: high and low halves of all rows, int64, shape (n,), no uid twice.
        wanted: high and low halves, int64, shape (m,).

    Raises:
        SchemaError: a wanted uid is not among the rows; names the first.
    """
    # Sorted together, every wanted uid comes right after the row with the same one, which stands earlier.
    hi, lo = (np.concatenate(halves) for halves in zip(uid, wanted, strict=True))
    order = np.lexsort((lo, hi))
    is_row = order < len(uid[0])
    last = np.maximum.accumulate(np.where(is_row, np.arange(len(order)), -1))
    found = np.empty(len(order), np.int64)
    found[order] = np.where(last >= 0, order[last], -1)
    rows = found[len(uid[0]) :]
    is_wrong = rows < 0
    is_wrong[~is_wrong] = (hi[rows[~is_wrong]] != wanted[0][~is_wrong]) | (lo[rows[~is_wrong]] != wanted[1][~is_wrong])
    if is_wrong.any():
        first = int(is_wrong.argmax())
        text = "".join(f"{int(half[first]) % 2**64:016x}" for half in wanted)
        raise SchemaError(f"uid {text} is named as a twin and is not among the {len(uid[0])} rows")
    return rows
