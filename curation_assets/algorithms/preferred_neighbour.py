"""The most similar of the rows that are preferred to a row: exact, in bounded memory, and the same however it is split."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .preference_order import PreferenceOrder, preference_order, twin_ranks
from .vectors import on_grid, require_unit_rows

_BLOCK_ROWS, _BLOCK_OTHERS = 1024, 4096  # products of a tile: 16 MB of float32
_MOST_PAIRS = 2048  # pairs that are looked at exactly at once: 16 MB for 512 dimensions
_DENSE_ROWS = 256  # rows that are looked at exactly with all of a tile at once: 8 MB of float64


@dataclass(frozen=True)
class Nearest:
    """For n rows in order of preference, the largest similarity to a row before them, and which row.

    `similarity` is float32 in [0, 1], 0 where no row before has a positive one; `place` is int64, then the row itself.
    """

    similarity: np.ndarray
    place: np.ndarray

    @classmethod
    def nothing(cls, n: int) -> "Nearest":
        """What is known before any pair has been compared."""
        return cls(np.zeros(n, np.float32), np.arange(n))


def nearest_preferred(vectors: np.ndarray, order: PreferenceOrder) -> tuple[np.ndarray, np.ndarray]:
    """Largest cosine of each row to one that is preferred to it, and which row: of equally similar ones the most preferred.

    Costs n * n * d / 2 multiplications, and 64 MB beside the vectors.

    Args:
        vectors: float32, shape (n, d), L2 norm 1.
        order: of the n rows.

    Returns:
        float32, shape (n,), in [0, 1], 0 where none is similar at all; int64, shape (n,), the row itself there.
    """
    known, ranks = Nearest.nothing(len(order.rows)), np.arange(len(order.rows))
    compare(vectors, order.rows, ranks, ranks, known)
    return known.similarity[order.rank], order.rows[known.place[order.rank]]


def updated_nearest(
    vectors: np.ndarray, order: PreferenceOrder, former: tuple[np.ndarray, np.ndarray], is_new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same, bit for bit, where rows came and none went: only pairs with a new row are compared.

    Args:
        vectors: float32, shape (n, d), L2 norm 1.
        order: of the n rows.
        former: of the rows that are not new, in their order, the similarity and the rank of the twin.
        is_new: bool, shape (n,).
    """
    known, ranks = Nearest.nothing(len(order.rows)), np.arange(len(order.rows))
    old = order.rank[~is_new]
    known.similarity[old], known.place[old] = former
    is_new = is_new[order.rows]
    compare(vectors, order.rows, ranks[is_new], ranks, known)
    compare(vectors, order.rows, ranks[~is_new], ranks[is_new], known)
    return known.similarity[order.rank], order.rows[known.place[order.rank]]


def twin_columns(
    names: tuple[str, str],
    vectors: np.ndarray,
    order_by: tuple[np.ndarray, np.ndarray, np.ndarray],
    earlier: tuple[Mapping[str, np.ndarray], np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Columns of a score that names for each row the most similar one that is preferred to it.

    Args:
        names: of the score, and of its twin, whose halves end in `_hi` and `_lo`.
        vectors: float32, shape (n, d), L2 norm 1.
        order_by: preference, uid_hi and uid_lo.
        earlier: the former columns and which rows are new, where rows came and none went; None compares all pairs.

    Raises:
        SchemaError: rows are not unit vectors, so a dot product is not a cosine.
    """
    score, twin = names
    require_unit_rows(vectors, f"{score}: image_embedding")
    order, uids = preference_order(*order_by), order_by[1:]
    if earlier is None:
        similarity, nearest = nearest_preferred(vectors, order)
    else:
        former, old = earlier[0], ~earlier[1]
        twins = twin_ranks(order, uids, (former[f"{twin}_hi"][old], former[f"{twin}_lo"][old]), score)
        similarity, nearest = updated_nearest(vectors, order, (former[score][old], twins), earlier[1])
    return {score: similarity, f"{twin}_hi": uids[0][nearest], f"{twin}_lo": uids[1][nearest]}


def compare(vectors: np.ndarray, order: np.ndarray, rows: np.ndarray, others: np.ndarray, known: Nearest) -> None:
    """Compare rows with those of the others that are preferred to them, and write what is nearer into `known`.

    A similarity is the exact inner product of the vectors on a grid (`vectors.on_grid`), cut to [0, 1] and rounded to
    float32; of equal ones the most preferred row counts. So neither the split into calls and tiles nor the machine changes
    a bit. Tiles are screened with float32 products, which are wrong by at most d * 2**-24 * 1.01 for unit vectors of length
    d whatever their order of summation (Higham 2002, section 3.1); only pairs within that of the best are looked at again.
    Costs at most len(rows) * len(others) * d multiplications, pairs in the wrong order left out, and 64 MB for d = 512.

    Args:
        vectors: float32, shape (n, d), L2 norm 1, in any order; never copied as a whole.
        order: int, shape (n,), rows of `vectors`, most preferred first; a place is a position in it.
        rows: places, ascending.
        others: places, ascending.
        known: of all n rows, by place; changed.
    """
    for start in range(0, len(rows), _BLOCK_ROWS):
        here = rows[start : start + _BLOCK_ROWS]
        block = on_grid(vectors[order[here]])
        before = others[: np.searchsorted(others, here[-1])]
        for first in range(0, len(before), _BLOCK_OTHERS):
            there = before[first : first + _BLOCK_OTHERS]
            _compare_tile((block, here), (on_grid(vectors[order[there]]), there), known)


def _compare_tile(rows: tuple[np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray], known: Nearest) -> None:
    (block, here), (other, there) = rows, others
    products = block @ other.T
    if there[-1] >= here[0]:
        products[there >= here[:, None]] = -np.inf
    error = 1.01 * block.shape[1] * 2.0**-24 + 2.0**-22  # of a product, and of rounding what it is compared with
    best = products.max(axis=1)
    least = np.maximum(known.similarity[here], np.minimum(best - error, 1)) - error
    active = np.flatnonzero(best >= least)
    for start in range(0, len(active), _DENSE_ROWS):
        at = active[start : start + _DENSE_ROWS]
        row, column = np.nonzero(products[at] >= least[at, None])
        if len(row) > _DENSE_ROWS * len(at) // 4:
            _note(known, here[at], there, _dense(block[at], other, products[at] == -np.inf))
        else:
            _note_pairs(known, (here[at][row], there[column]), _pairs(block, other, (at[row], column)))


def _dense(block: np.ndarray, other: np.ndarray, is_barred: np.ndarray) -> np.ndarray:
    exact = np.empty(is_barred.shape, np.float32)
    rows = block.astype(np.float64)
    for first in range(0, len(other), _DENSE_ROWS):
        part = slice(first, first + _DENSE_ROWS)
        exact[:, part] = np.minimum(rows @ other[part].astype(np.float64).T, 1)
    exact[is_barred] = -1
    return exact


def _pairs(block: np.ndarray, other: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    exact = np.empty(len(pairs[0]), np.float32)
    for first in range(0, len(exact), _MOST_PAIRS):
        row, column = (places[first : first + _MOST_PAIRS] for places in pairs)
        exact[first : first + _MOST_PAIRS] = np.minimum(np.einsum("ij,ij->i", block[row], other[column], dtype=np.float64), 1)
    return exact


def _note(known: Nearest, here: np.ndarray, there: np.ndarray, exact: np.ndarray) -> None:
    """The largest of each row's similarities, shape (rows, others), of equals the first."""
    found = exact.argmax(axis=1)
    _keep_nearer(known, here, there[found], exact[np.arange(len(here)), found])


def _note_pairs(known: Nearest, pairs: tuple[np.ndarray, np.ndarray], exact: np.ndarray) -> None:
    """The same of pairs (row, other), which come row by row."""
    here, there = pairs
    order = np.lexsort((there, -exact, here))
    first = order[np.flatnonzero(np.diff(here[order], prepend=-1))]
    _keep_nearer(known, here[first], there[first], exact[first])


def _keep_nearer(known: Nearest, here: np.ndarray, there: np.ndarray, similarity: np.ndarray) -> None:
    is_equal = (similarity == known.similarity[here]) & (similarity > 0)
    is_nearer = (similarity > known.similarity[here]) | (is_equal & (there < known.place[here]))
    known.similarity[here[is_nearer]] = similarity[is_nearer]
    known.place[here[is_nearer]] = there[is_nearer]
