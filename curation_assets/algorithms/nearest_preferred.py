"""The most similar of all preferred vectors, exactly, without holding all similarities at once."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .grouping import equal_values

_CHECKED_PAIRS = 1 << 14  # pairs multiplied in float64 at once: 134 MB at 512 dimensions


class Nearest(NamedTuple):
    """Per row the largest similarity (float32; -1 where no row was compared) and the row that has it (its own there)."""

    similarity: np.ndarray
    index: np.ndarray


def nearest_preferred(
    vectors_in_preference_order: np.ndarray, is_new: np.ndarray | None = None, block_rows: int = 2048
) -> Nearest:
    """Largest inner product of each row with a row before it, and that row; of equals the earliest.

    Float32 products of whole blocks find what may be the largest: everything within their worst rounding error of the
    best. Only that is multiplied again in float64, and the float32 nearest to that decides; beyond -1 and 1, where
    rounded norms lead, all count as -1 and 1. So the result does not depend on the block size, nor on which rows were
    compared when: with `is_new`, the row-wise better (larger similarity, of equals the smaller index) of this result and
    of the one without the new rows is the result for all rows. Vectors that are equal in all bits are compared with once.
    Costs n * n * d / 2 multiplications, with m new rows at most n * m * d; thousands of vectors that differ in their last
    bits alone cost a float64 product per pair.

    Args:
        vectors_in_preference_order: float32, shape (n, d), most preferred first, L2 norm 1.
        is_new: bool, shape (n,); only pairs with at least one such row are compared. None means all.
        block_rows: rows on either side of a block; memory is 8 * block_rows**2 bytes; never changes the result.

    Example:
        >>> rows = np.float32([[1, 0], [0, 1], [0.6, 0.8]])
        >>> nearest_preferred(rows).index.tolist()
        [0, 0, 1]
    """
    vectors = np.ascontiguousarray(vectors_in_preference_order, np.float32)
    n, d = vectors.shape
    rows = np.arange(n)
    group = equal_values(vectors.view(np.int32))
    similarity, index = np.full(n, -1, np.float32), rows.copy()
    # A sum of d products in float32 is off by less than d * 2**-24 times the norms, in whatever order; twice that for norms
    # that are a little above 1 and for the rounding of the result.
    tolerance = np.float32((d + 2) * 2.0**-23)
    best = Nearest(similarity, index)
    if is_new is None:
        _compare(vectors, (rows, _first(group, rows)), best, (tolerance, block_rows))
    else:
        _compare(vectors, (rows[is_new], _first(group, rows)), best, (tolerance, block_rows))
        _compare(vectors, (rows[~is_new], _first(group, rows[is_new])), best, (tolerance, block_rows))
    return best


def _first(group: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of these rows, ascending, the first of each group."""
    return np.sort(rows[np.unique(group[rows], return_index=True)[1]])


def _compare(vectors: np.ndarray, sides: tuple[np.ndarray, np.ndarray], best: Nearest, limits: tuple[np.float32, int]) -> None:
    """Improves `best` for the rows of the first side by the earlier rows of the second; both sides are ascending."""
    tolerance, block_rows = limits
    for row_start in range(0, len(sides[0]), block_rows):
        rows = sides[0][row_start : row_start + block_rows]
        block = vectors[rows]
        earlier = sides[1][: np.searchsorted(sides[1], rows[-1])]
        for start in range(0, len(earlier), block_rows):
            columns = earlier[start : start + block_rows]
            products = block @ vectors[columns].T
            if columns[-1] >= rows[0]:
                products[columns >= rows[:, None]] = -np.inf
            highest = np.minimum(products.max(axis=1), 1)
            floor = np.maximum(highest - tolerance, best.similarity[rows]) - tolerance
            i, j = np.nonzero(products >= floor[:, None])
            for pairs in _pieces(rows[i], columns[j]):
                _improve(vectors, pairs, best)


def _pieces(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(left), _CHECKED_PAIRS):
        yield left[start : start + _CHECKED_PAIRS], right[start : start + _CHECKED_PAIRS]


def _improve(vectors: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], best: Nearest) -> None:
    """Puts the better of what is known and of these pairs in `best`."""
    rows, columns = pairs
    # One row's products are added up in one order, which only the number of dimensions decides.
    exact = np.add.reduce(vectors[rows].astype(np.float64) * vectors[columns], axis=1)
    exact = np.clip(exact, -1, 1).astype(np.float32)
    order = np.lexsort((columns, -exact, rows))
    rows, columns, exact = rows[order], columns[order], exact[order]
    is_best = np.concatenate([[True], rows[1:] != rows[:-1]])
    rows, columns, exact = rows[is_best], columns[is_best], exact[is_best]
    known, at = best.similarity[rows], best.index[rows]
    is_better = (exact > known) | ((exact == known) & ((columns < at) | (at == rows)))
    best.similarity[rows[is_better]] = exact[is_better]
    best.index[rows[is_better]] = columns[is_better]
