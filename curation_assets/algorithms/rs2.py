"""Repeated random subsets: another part of the rows for every epoch of training."""

from collections.abc import Iterator

import numpy as np

from curation_assets.errors import SchemaError

from .identity import keyed_bits
from .sampling import keyed_sample


def rs2_epochs(
    uid_hi: np.ndarray, uid_lo: np.ndarray, *, size: int, epochs: int, seed: int, replacement: bool = False
) -> Iterator[np.ndarray]:
    """Rows of each epoch: always `size` different ones, and no row twice before every row was seen once.

    Passes over all rows follow each other, each in a random order of its own, and an epoch takes the next `size` rows. In
    an epoch that begins in one pass and ends in the next, rows of the second pass that are in the epoch already are put off
    to the next epoch. So after any number of epochs two rows' counts differ by at most 1. A pass costs a sort of all rows.

    Args:
        uid_hi: int64, shape (n,), distinct together with `uid_lo`.
        uid_lo: int64, shape (n,).
        size: rows of an epoch, from 1 to n.
        epochs: how many to draw.
        seed: names the draw.
        replacement: draw each epoch anew from all rows instead.

    Yields:
        Indices, int64, shape (size,); in the order of the draw, or ascending by uid with replacement.

    Raises:
        SchemaError: an epoch cannot have so many different rows.

    Source:
        Okanovic et al. 2023, Repeated Random Sampling for Minimizing the Time-to-Accuracy of Learning, arXiv:2305.18424;
        code PatrikOkanovic/RS2 at 99edfc8a, where the epoch that ends a pass is a row short and the next one begins with
        the head of the same order.

    Example:
        >>> [len(rows) for rows in rs2_epochs(np.arange(10), np.arange(10), size=4, epochs=3, seed=0)]
        [4, 4, 4]
    """
    if not 1 <= size <= len(uid_hi):
        raise SchemaError(f"an epoch of {size} different rows cannot be drawn from {len(uid_hi)}")
    if replacement:
        draws = (f"rs2 epoch {epoch}" for epoch in range(epochs))
        yield from (keyed_sample(uid_hi, uid_lo, size, seed=seed, method=draw) for draw in draws)
        return
    passes, rest = 0, np.empty(0, np.int64)
    for _ in range(epochs):
        chosen, rest = rest[:size], rest[size:]
        if len(chosen) < size:
            order = _pass_order(uid_hi, uid_lo, seed, passes)
            new = order[~np.isin(order, chosen)][: size - len(chosen)]
            chosen, rest, passes = np.concatenate([chosen, new]), order[~np.isin(order, new)], passes + 1
        yield chosen


def _pass_order(uid_hi: np.ndarray, uid_lo: np.ndarray, seed: int, number: int) -> np.ndarray:
    bits = keyed_bits(uid_hi, uid_lo, seed=seed, method=f"rs2 pass {number}")
    return np.lexsort((np.asarray(uid_lo).view(np.uint64), np.asarray(uid_hi).view(np.uint64), bits))
