"""Exact fractions: which value, and among equal values which uid, is the last one kept."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .identity import uid_order


@dataclass(frozen=True)
class Cut:
    """The last row kept. `value` is None when no row is kept; the uid halves are unsigned."""

    population: int
    rows: int
    value: float | None
    last_uid: tuple[int, int]


def fraction_rows(fraction: float, population: int) -> int:
    """How many rows a fraction keeps: floor(fraction * population + 1e-9), so that 0.29 of 100 is 29."""
    return min(population, math.floor(fraction * population + 1e-9))


def fraction_cut(
    value: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray, fraction: float, keep: Literal["high", "low"] = "high"
) -> Cut:
    """Cut that keeps exactly the best fraction of the rows that have a value.

    Args:
        value: number of any dtype, shape (n,); NaN means not measured and is left out of the population.
        uid_hi: int64, shape (n,), decides between equal values: the smaller uid is kept.
        uid_lo: int64, shape (n,).
        fraction: share to keep, in [0, 1].
        keep: which end is best.

    Returns:
        The cut; its value is in the dtype of `value`, exactly representable as float64.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, section 4 (CLIP score top 30 %). The reference keeps one row more
        than the fraction and every tie (`baselines/utils.py` get_threshold); here the count is exact.
    """
    measured = np.flatnonzero(~np.isnan(value)) if np.issubdtype(value.dtype, np.floating) else np.arange(len(value))
    rows = fraction_rows(fraction, len(measured))
    if not rows:
        return Cut(len(measured), 0, None, (0, 0))
    values = value[measured]
    position = len(values) - rows if keep == "high" else rows - 1
    threshold = np.partition(values, position)[position]
    better = int(np.count_nonzero(values > threshold if keep == "high" else values < threshold))
    ties = measured[values == threshold]
    ties = ties[uid_order(uid_hi[ties], uid_lo[ties])]
    last = ties[rows - better - 1]
    unsigned = (int(uid_hi[last : last + 1].view(np.uint64)[0]), int(uid_lo[last : last + 1].view(np.uint64)[0]))
    return Cut(len(measured), rows, float(threshold), unsigned)
