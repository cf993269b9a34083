"""K-means of directions in plain numpy, for small numbers of vectors such as the centroids of a clustering."""

import numpy as np

from curation_assets.errors import SchemaError

from .assignment import largest_product

_SAME = 1e-12  # squared distance of directions that are told apart by rounding alone


def spherical_kmeans(vectors: np.ndarray, k: int, *, seed: int = 0, iterations: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of vectors by cosine: Lloyd's iterations from a k-means++ start, until no vector changes its cluster.

    The mean cosine to the centroid never falls from one iteration to the next. An empty cluster keeps its centroid. Costs
    n * k * d multiplications an iteration and as many for the start, in float64; the order of rows is part of the seed.

    Args:
        vectors: float, shape (n, d), of any length but 0.
        k: clusters wanted; fewer where there are fewer different directions.
        seed: names the draw of the start.
        iterations: Lloyd's iterations at most.

    Returns:
        Centroids, float64, shape (k, d), L2 norm 1, and the cluster of each vector, int64, shape (n,): the centroid with the
        largest cosine, of equals the lowest.

    Raises:
        SchemaError: there are no vectors, or one has no direction.

    Source:
        Dhillon and Modha 2001, Concept decompositions for large sparse text data using clustering; start of Arthur and
        Vassilvitskii 2007, k-means++: the advantages of careful seeding, with one candidate a step.

    Example:
        >>> spherical_kmeans(np.float32([[1, 0], [9, 1], [0, 3]]), 2)[1].tolist() in ([0, 0, 1], [1, 1, 0])
        True
    """
    unit = vectors.astype(np.float64)
    norms = np.sqrt((unit**2).sum(axis=1))
    is_wrong = ~(np.isfinite(norms) & (norms > 0))
    if not len(unit) or is_wrong.any():
        found = f"vector {int(is_wrong.argmax())} has norm {norms[is_wrong.argmax()]}" if len(unit) else "there are none"
        raise SchemaError(f"spherical_kmeans clusters directions; {found}")
    unit /= norms[:, None]
    centroids = unit[_start(unit, k, seed)]
    label = largest_product(unit, centroids)[1]
    for _ in range(iterations):
        centroids = _means(unit, label, centroids)
        former, label = label, largest_product(unit, centroids)[1]
        if (label == former).all():
            break
    return centroids, label


def _start(unit: np.ndarray, k: int, seed: int) -> list[int]:
    """Rows drawn one by one, with probability proportional to the squared distance to those drawn before."""
    generator = np.random.default_rng(seed)
    chosen = [int(generator.integers(len(unit)))]
    least = np.full(len(unit), np.inf)
    while len(chosen) < k:
        squares = 2 - 2 * (unit @ unit[chosen[-1]])
        least = np.minimum(least, np.where(squares > _SAME, squares, 0))
        if not least.any():
            break
        places = np.flatnonzero(least)
        total = np.cumsum(least[places])
        drawn = np.searchsorted(total, generator.random() * total[-1], side="right")
        chosen.append(int(places[min(drawn, len(places) - 1)]))
    return chosen


def _means(unit: np.ndarray, label: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Mean direction of each cluster; the former centroid where there is none."""
    order = np.argsort(label, kind="stable")
    clusters, starts = np.unique(label[order], return_index=True)
    sums = np.add.reduceat(unit[order], starts, axis=0)
    norms = np.sqrt((sums**2).sum(axis=1))
    means, has_mean = centroids.copy(), norms > 0
    means[clusters[has_mean]] = sums[has_mean] / norms[has_mean, None]
    return means
