"""K-center greedy: always the row that is farthest from all rows picked so far."""

from typing import NamedTuple

import numpy as np

from curation_assets.errors import SchemaError

_LARGEST = 1e18  # norm from which on a float32 product may overflow
_BLOCK_ROWS = 4096  # 16 MB of float64 at once for 512 dimensions


class KCenter(NamedTuple):
    """Rows in the order in which they are picked, with what is left uncovered.

    `rows`: int64, shape (b,). `radius`: float64, shape (b,), distance of each to the nearest row picked before it.
    `distance`: float64, shape (n,), of every row to the nearest picked one.
    """

    rows: np.ndarray
    radius: np.ndarray
    distance: np.ndarray


def kcenter(vectors: np.ndarray, initial: np.ndarray, budget: int) -> KCenter:
    """Picks rows one by one, each the farthest from those picked before; of equally far ones the lowest index.

    The first b rows picked are those of budget b, and any row is at most twice as far from them as the best b centres
    leave it. Costs n * d multiplications a pick; beyond the vectors it holds a few numbers a row.

    A float32 product of all rows with the new centre rules out those that cannot have come nearer, by the product's worst
    rounding error. The others' distances are summed in float64 over squared differences: of float16 numbers with norm
    1, as embeddings are stored, these are multiples of 2**-48 below 8, so the sum is exact, and of any vectors
    the result depends on neither block size nor hardware threads, and copies are at distance 0.

    Args:
        vectors: float32, shape (n, d).
        initial: int, shape (s,), s >= 1, rows that count as picked already, each once.
        budget: rows to pick beside them; all rows are picked when there are fewer.

    Raises:
        SchemaError: no row or a row that does not exist is given as picked, or a vector is not finite or longer than 1e18.

    Source:
        Gonzalez 1985, Clustering to minimize the maximum intercluster distance; Sener and Savarese 2018, Active learning
        for convolutional neural networks: a core-set approach, arXiv:1708.00489. Code
        stanford-futuredata/selection-via-proxy at 348f90ac picks the same rows and holds all distances to the centres.

    Example:
        >>> kcenter(np.float32([[0], [1], [5], [6]]), np.array([0]), 2).rows.tolist()
        [3, 1]
    """
    vectors, initial = np.ascontiguousarray(vectors, np.float32), np.unique(initial)
    n = len(vectors)
    if not len(initial) or initial[0] < 0 or initial[-1] >= n:
        raise SchemaError(f"kcenter begins with rows of {n}; found {initial.tolist()[:5]}: give at least one from 0 to {n - 1}")
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    is_wrong = ~(squares < _LARGEST**2)
    if is_wrong.any():
        norm = np.sqrt(squares[is_wrong.argmax()])
        raise SchemaError(f"kcenter compares vectors shorter than {_LARGEST:.0e}; row {int(is_wrong.argmax())} has norm {norm}")
    least = np.full(n, np.inf)  # squared distance to what is picked; -inf for what is
    least[initial] = -np.inf
    for centre in initial:
        _come_nearer(vectors, squares, least, int(centre))
    rows, radius = [], []
    for _ in range(min(budget, n - len(initial))):
        rows.append(farthest := int(least.argmax()))
        radius.append(least[farthest])
        least[farthest] = -np.inf
        _come_nearer(vectors, squares, least, farthest)
    return KCenter(np.array(rows, np.int64), np.sqrt(np.array(radius, np.float64)), np.sqrt(np.maximum(least, 0)))


def _come_nearer(vectors: np.ndarray, squares: np.ndarray, least: np.ndarray, centre: int) -> None:
    """Lowers the squared distances to what is picked to those to a new centre."""
    exact = vectors[centre].astype(np.float64)
    # A float32 sum of d products is off by less than d * 2**-24 times the norms, in whatever order. The norms' product is at
    # most half the sum of their squares, so this is twice that, for all other rounding; and what underflow can take away.
    slack, underflow = (vectors.shape[1] + 2) * 2.0**-24, vectors.shape[1] * float(np.finfo(np.float32).tiny)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        here = slice(start, start + _BLOCK_ROWS)
        both = squares[here] + squares[centre]
        # |x - c|^2 < least means 2 x.c > |x|^2 + |c|^2 - least.
        bound = (both - least[here]) / 2 - slack * both - underflow
        near = start + np.flatnonzero(vectors[here] @ vectors[centre] >= bound)
        if len(near):
            # One row's squares are added up in one order, which only the number of dimensions decides.
            distance = np.add.reduce((vectors[near] - exact) ** 2, axis=1)
            least[near] = np.minimum(least[near], distance)
