"""The threshold of DataComp's own code, to compare its subsets with."""

import numpy as np

from curation_assets.errors import SchemaError


def datacomp_threshold(value: np.ndarray, fraction: float) -> float:
    """The score from which on DataComp keeps rows: place int(n * fraction), from 0, of the scores in descending order.

    So at least one row more than the fraction is kept, and every row equal to the last. The cuts of `order_statistics` give
    the same with `is_parity`, but count measured rows only; here NaN counts in n, as in the reference.

    Args:
        value: float, shape (n,); NaN is behind all numbers.
        fraction: share to keep, in [0, 1).

    Returns:
        The threshold, exactly a value; compare in the column's own precision.

    Raises:
        SchemaError: the place is behind the last row (fraction 1), where the reference ends with an IndexError, or it holds
            a NaN, where the reference keeps nothing.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108; code mlfoundations/datacomp at 4a8df199, `baselines/utils.py`.

    Example:
        >>> datacomp_threshold(np.array([0.1, 0.4, 0.2, 0.3]), 0.5)
        0.2
    """
    place = int(len(value) * fraction)
    if place >= len(value):
        raise SchemaError(f"fraction {fraction} of {len(value)} rows has no threshold: DataComp wants row {place + 1} of them")
    threshold = float(np.sort(-np.asarray(value))[place] * -1) + 0.0
    if np.isnan(threshold):
        measured = int(np.count_nonzero(~np.isnan(value)))
        raise SchemaError(
            f"fraction {fraction} of {len(value)} rows has no threshold: DataComp wants row {place + 1}, "
            f"and only {measured} have a score"
        )
    return threshold
