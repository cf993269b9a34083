"""Which of two samples is preferred, where only one can stay: a number per sample, the larger the better."""

import numpy as np

from .identity import keyed_bits

LOW = "low_"
BUILT_IN = {
    "hard": ("centroid_similarity",),
    "easy": ("centroid_similarity",),
    "random": ("uid_hi", "uid_lo"),
    "oldest": ("row",),
}


def preference_columns(prefer: str) -> tuple[str, ...]:
    """Columns that a preference is made of.

    Args:
        prefer: `hard` and `easy` are far from and near to the cluster's centroid, `random` a keyed hash of the uid, `oldest`
            the order of the pool; else a numeric column whose largest values are preferred, or with `low_` before its name
            the smallest.
    """
    return BUILT_IN.get(prefer, (prefer.removeprefix(LOW),))


def preference(prefer: str, columns: tuple[np.ndarray, ...], shard_number: int) -> np.ndarray:
    """The preference of rows of a shard.

    Args:
        prefer: as in `preference_columns`.
        columns: those columns, shape (n,) each.
        shard_number: position of the shard in the pool's order, < 2**21.

    Returns:
        float64, shape (n,); NaN where a column's value is missing.

    Example:
        >>> preference("oldest", (np.array([0, 3]),), 0).tolist()
        [0.0, -3.0]
    """
    match prefer:
        case "hard":
            return -columns[0].astype(np.float64)
        case "random":
            # 53 bits are what a float64 holds; equal ones are told apart by uid, as everywhere.
            return (keyed_bits(*columns, seed=0, method="preference") >> np.uint64(11)).astype(np.float64)
        case "oldest":
            return 0.0 - (shard_number * 2.0**32 + columns[0])
        case _:
            value = columns[0].astype(np.float64)
            return -value if prefer.startswith(LOW) else value
