"""The best of many vectors for each row: the most similar target picture, or the cluster that a row belongs to."""

from typing import Literal

import numpy as np

from curation_assets.errors import SchemaError

_BLOCK_ROWS, _BLOCK_OTHERS = 1024, 4096  # 32 MB of float64 at once

Measure = Literal["cosine", "euclidean", "inner_product"]


def largest_product(
    rows: np.ndarray, others: np.ndarray, *, offsets: np.ndarray | None = None, is_absolute: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Largest inner product of each row with any of the others, and which one: of equals the lowest index.

    Products are compared as float64, which holds those of unit float16 vectors exactly: then neither the rows that come
    together nor the block size changes a bit. Costs n * k * d multiplications and holds 1024 * 4096 products at once.

    Args:
        rows: float, shape (n, d).
        others: float, shape (k, d), k >= 1.
        offsets: float64, shape (k,), added to the products before they are compared; None adds nothing.
        is_absolute: compare the sizes of the products, whatever their sign.

    Returns:
        float64 and int64, shape (n,).

    Raises:
        SchemaError: there are no others, or they are of another length.

    Example:
        >>> largest_product(np.float32([[1, 0], [0, -2]]), np.float32([[0, 1], [1, 0], [1, 1]]))[1].tolist()
        [1, 1]
    """
    if not len(others) or rows.shape[1] != others.shape[1]:
        raise SchemaError(
            f"rows of length {rows.shape[1]} are compared with {len(others)} vectors of length {others.shape[1]}: "
            "at least one vector is needed, and both must be made by one encoder"
        )
    best, which = np.full(len(rows), -np.inf), np.zeros(len(rows), np.int64)
    for start in range(0, len(rows), _BLOCK_ROWS):
        here = slice(start, start + _BLOCK_ROWS)
        block = rows[here].astype(np.float64)
        for first in range(0, len(others), _BLOCK_OTHERS):
            products = block @ others[first : first + _BLOCK_OTHERS].T.astype(np.float64)
            if offsets is not None:
                products += offsets[first : first + _BLOCK_OTHERS]
            if is_absolute:
                np.abs(products, out=products)
            found = products.argmax(axis=1)
            value = products[np.arange(len(block)), found]
            which[here] = np.where(value > best[here], found + first, which[here])
            best[here] = np.maximum(best[here], value)
    return best, which


def assigned(rows: np.ndarray, centroids: np.ndarray, measure: Measure = "cosine") -> np.ndarray:
    """Index of the centroid that each row belongs to, of equals the lowest.

    Args:
        rows: float, shape (n, d).
        centroids: float, shape (k, d), of any length.
        measure: `cosine` and `euclidean` take the nearest centroid; `inner_product` takes the largest product with the
            centroid as it is, which prefers long ones, that is tight clusters.

    Returns:
        int64, shape (n,).

    Raises:
        SchemaError: there are no centroids, they are of another length, or one is zero and has no direction.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, image-based filtering; code mlfoundations/datacomp at 4a8df199,
        which finds centroids by Euclidean k-means and assigns by `inner_product` without normalising them.

    Example:
        >>> row, centroids = np.float32([[0.6, 0.8]]), np.float32([[0, 0.5], [0.9, 0.1]])
        >>> [assigned(row, centroids, measure).tolist() for measure in ("cosine", "euclidean", "inner_product")]
        [[0], [0], [1]]
    """
    centroids = centroids.astype(np.float64)
    squares = (centroids**2).sum(axis=1)
    if measure == "cosine":
        zero = np.flatnonzero(squares == 0)
        if len(zero):
            raise SchemaError(f"centroid {zero[0]} is zero and has no direction ({len(zero)} of {len(centroids)} are)")
        centroids = centroids / np.sqrt(squares)[:, None]
    # |x - c|^2 = |x|^2 - 2 (x.c - |c|^2 / 2), so the nearest centroid has the largest bracket.
    return largest_product(rows, centroids, offsets=-squares / 2 if measure == "euclidean" else None)[1]
