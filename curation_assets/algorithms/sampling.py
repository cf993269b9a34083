"""Samples drawn by keyed hash: the same rows whatever order, shard or process they come in."""

import math

import numpy as np

from .identity import keyed_bits, uid_order


def keyed_sample(uid_hi: np.ndarray, uid_lo: np.ndarray, size: int, *, seed: int, method: str) -> np.ndarray:
    """Indices of `size` rows drawn without replacement, ascending by uid; all rows when there are fewer.

    A larger sample contains every smaller one of the same seed and method.

    Args:
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        size: rows wanted.
        seed: together with `method`, names the draw.
        method: what the draw is for, so that two uses of one seed are independent.
    """
    chosen = np.arange(len(uid_hi))
    if size < len(chosen):
        bits = keyed_bits(uid_hi, uid_lo, seed=seed, method=method)
        lo, hi = np.asarray(uid_lo).view(np.uint64), np.asarray(uid_hi).view(np.uint64)
        chosen = np.lexsort((lo, hi, bits))[:size]
    return chosen[uid_order(np.asarray(uid_hi)[chosen], np.asarray(uid_lo)[chosen])]


def automatic_clusters(samples: int) -> int:
    """Number of clusters for a pool of this size: its square root.

    Assigning n rows to k centroids costs n*k, comparing all pairs inside clusters n*n/k; k = sqrt(n) makes both n**1.5.
    For LAION-440M that is 20,976 (SemDeDup used 50,000), for DataComp small 3,578 (image-based filtering used 100,000).
    """
    return max(1, round(math.sqrt(samples)))


def share_distance(now: np.ndarray, before: np.ndarray) -> float:
    """Share of the mass that lies in other classes than before: half the L1 distance of the two distributions.

    Args:
        now: counts per class, >= 0, shape (k,).
        before: counts per class, >= 0, shape (k,).

    Returns:
        In [0, 1]; 0 where both are empty, 1 where only one is.
    """
    if not now.sum() or not before.sum():
        return 0.0 if now.sum() == before.sum() else 1.0
    return float(np.abs(now / now.sum() - before / before.sum()).sum() / 2)
