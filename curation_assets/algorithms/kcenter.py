"""A small set of rows that no other row is far from: the farthest row next, again and again."""

from dataclasses import dataclass

import numpy as np

_BLOCK_ROWS = 2048  # rows looked at exactly at once: 16 MB of float64 for 512 dimensions


@dataclass(frozen=True)
class Cover:
    """Rows in the order picked, and how far rows are from them.

    `picked` is int64, at most as many as asked for; `radius`, float64, is each picked row's distance to the nearest row
    before it, and never grows. `distance`, float64, shape (n,), is each row's distance to the nearest of all that are picked
    or were given; 0 for those.
    """

    picked: np.ndarray
    radius: np.ndarray
    distance: np.ndarray


def cover(points: np.ndarray, start: np.ndarray, place: np.ndarray, most: int) -> Cover:
    """Pick `most` rows, each the one that is farthest from those before it (k-center greedy).

    No choice of as many rows has less than half of its radius. Costs most * n * d multiplications and holds the running
    minimum and n float32 products. Distances are screened with those and then summed in float64 row by row, so that
    neither the order of the rows nor blocks change a bit.

    Args:
        points: float32, shape (n, d).
        start: int, rows that are picked already, one or more.
        place: int, shape (n,), different: of equally far rows the one with the smallest is picked.
        most: rows to pick beyond `start`; fewer where no more are left.

    Source:
        Sener and Savarese 2018, Active learning for convolutional neural networks: a core-set approach, arXiv:1708.00489,
        algorithm 1; Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5.

    Example:
        >>> cover(np.float32([[0], [1], [5], [3]]), np.array([0]), np.arange(4), 2).picked.tolist()
        [2, 3]
    """
    squares = np.concatenate([_squares(points[s : s + _BLOCK_ROWS], None) for s in range(0, len(points), _BLOCK_ROWS)])
    nearest = np.full(len(points), np.inf)
    for row in start:
        _come_nearer(points, squares, nearest, int(row))
    is_taken = np.zeros(len(points), bool)
    is_taken[start] = True
    left = min(most, int(np.count_nonzero(~is_taken)))
    picked, radius = np.empty(left, np.int64), np.empty(left)
    for i in range(left):
        reach = np.where(is_taken, -1, nearest)
        farthest = np.flatnonzero(reach == reach.max())
        picked[i] = farthest[place[farthest].argmin()]
        radius[i] = nearest[picked[i]]
        is_taken[picked[i]] = True
        _come_nearer(points, squares, nearest, int(picked[i]))
    return Cover(picked, np.sqrt(radius), np.sqrt(nearest))


def _come_nearer(points: np.ndarray, squares: np.ndarray, nearest: np.ndarray, row: int) -> None:
    """Lower squared distances to that of a row, where it is less."""
    products = points @ points[row]
    # A float32 product is wrong by at most d * 2**-24 * |x| |c| whatever its order of summation (Higham 2002, section 3.1).
    error = 2.04 * points.shape[1] * 2.0**-24 * np.sqrt(squares * squares[row]) + 2.0**-40 * (squares + squares[row])
    near = np.flatnonzero(squares + squares[row] - 2.0 * products - error < nearest)
    for start in range(0, len(near), _BLOCK_ROWS):
        at = near[start : start + _BLOCK_ROWS]
        nearest[at] = np.minimum(nearest[at], _squares(points[at], points[row]))


def _squares(rows: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
    """Squared distances of rows to a centre, or to 0, each summed on its own."""
    difference = rows.astype(np.float64)
    if centre is not None:
        difference -= centre
    return np.einsum("ij,ij->i", difference, difference)
