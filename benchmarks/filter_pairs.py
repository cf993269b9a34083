"""What benchmarks/filters.py measures of vectors and hashes; a variant is what it is in filter_variants.py."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import hamming
import numpy as np
import semdedup

from curation_assets.algorithms.hamming_join import hamming_pairs
from resources.kmeans import KMeans

Work = Callable[[], object]


def similarities(variant: Callable[[np.ndarray], np.ndarray], dimensions: int, rows: int, folder: Path) -> Work:
    vectors = semdedup.drawn(rows, dimensions)
    variant(vectors[:256])
    return lambda: round(float(variant(vectors).mean(dtype=np.float64)), 5)


def hash_pairs(rows: int, folder: Path) -> Work:
    """All pairs within radius 3; every planted pair must be among them."""
    hashes = hamming.drawn(rows, 3)

    def work() -> int:
        found = planted = 0
        for pairs in hamming_pairs(hashes, radius=3):
            found += len(pairs.left)
            planted += int(np.count_nonzero(pairs.right - pairs.left == rows - rows // 10))
        if planted < rows // 10:
            raise SystemExit(f"{planted} of {rows // 10} planted pairs found")
        return found

    return work


def hash_buckets(rows: int, folder: Path) -> Work:
    hashes = hamming.drawn(rows, 3)
    return lambda: hamming.buckets(hashes, 3)


def hash_probes(rows: int, folder: Path) -> Work:
    """A dictionary from the hash, as the integer that ImageHash prints in hex, to its rows, and every mask looked up."""
    hashes = [int(f"{value:016x}", 16) for value in hamming.drawn(rows, 3).view(np.uint64).tolist()]
    masks = [sum(1 << bit for bit in bits) for flips in range(1, 4) for bits in combinations(range(64), flips)]

    def work() -> int:
        known: dict[int, list[int]] = {}
        for row, value in enumerate(hashes):
            known.setdefault(value, []).append(row)
        equal = sum(len(each) * (len(each) - 1) // 2 for each in known.values())
        return equal + sum(len(known.get(value ^ mask, ())) for value in hashes for mask in masks) // 2

    return work


def _clusters(rows: int) -> int:
    return max(2, rows // 200)


def kmeans(rows: int, folder: Path) -> Work:
    import faiss  # noqa: F401  (loaded before the clock runs, as for the other side)

    vectors, k = semdedup.drawn(rows, 256), _clusters(rows)

    def work() -> None:
        clusters = KMeans(iterations=20, seed=0)
        clusters.assign(vectors, clusters.fit(vectors, k)[0])

    return work


def bare_kmeans(rows: int, folder: Path) -> Work:
    """The same training by faiss, and one search of all rows."""
    import faiss

    vectors, k = semdedup.drawn(rows, 256), _clusters(rows)

    def work() -> None:
        limits = {"min_points_per_centroid": 1, "max_points_per_centroid": rows}
        bare = faiss.Kmeans(256, k, niter=20, seed=0, spherical=True, gpu=faiss.get_num_gpus() > 0, **limits)
        bare.train(vectors)
        bare.index.search(vectors, 1)

    return work


def assignment(rows: int, folder: Path) -> Work:
    import faiss  # noqa: F401  (loaded before the clock runs, as for the other side)

    vectors = semdedup.drawn(rows, 256)
    centroids = vectors[: _clusters(rows)]
    return lambda: int(KMeans().assign(vectors, centroids)[0].sum())


def bare_assignment(rows: int, folder: Path) -> Work:
    import faiss

    vectors = semdedup.drawn(rows, 256)
    index = faiss.IndexFlatIP(256)
    index.add(vectors[: _clusters(rows)])
    return lambda: int(index.search(vectors, 1)[1].sum())


VARIANTS: dict[str, Callable[[int, Path], Work]] = {
    **{f.__name__: f for f in (hash_pairs, hash_buckets, hash_probes, kmeans, bare_kmeans, assignment, bare_assignment)},
    "dense": partial(similarities, semdedup.dense, 512),
    "blocked": partial(similarities, semdedup.blocked, 512),
    "updated": partial(similarities, semdedup.updated, 512),
}
