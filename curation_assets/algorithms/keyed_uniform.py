"""Random numbers in (0, 1] that belong to a uid."""

import numpy as np

from .identity import keyed_bits


def keyed_uniform(uid_hi: np.ndarray, uid_lo: np.ndarray, *, seed: int, method: str) -> np.ndarray:
    """A uniform number for each uid, the same whatever shard, order or process the row comes in.

    0 is left out and 1 is not, so that `uniform <= probability` never holds for probability 0 and always for 1.

    Args:
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        seed: together with `method`, names the draw.
        method: what the draw is for, so that two uses of one seed are independent.

    Returns:
        float64, shape (n,), a multiple of 2**-53 in (0, 1].

    Example:
        >>> keyed_uniform(np.array([1, 2]), np.array([0, 0]), seed=0, method="example").round(3).tolist()
        [0.925, 0.168]
    """
    bits = keyed_bits(uid_hi, uid_lo, seed=seed, method=method)
    return ((bits >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
