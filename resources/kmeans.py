"""Spherical k-means with faiss: centroids of unit vectors, and the nearest centroid of each."""

import dagster as dg
import numpy as np
from pydantic import Field

_COMPARED_ROWS = 128  # rows compared again at once: their float64 vectors stay in the processor's cache


class KMeans(dg.ConfigurableResource):
    """Clusters of directions. Runs on all CUDA devices that faiss sees, else on the CPU."""

    iterations: int = Field(default=20, description="Lloyd iterations")
    seed: int = Field(default=0, description="seed of the initial centroids")
    block_rows: int = Field(default=65_536, description="rows assigned at once; changes memory and speed, never the result")

    def fit(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Centroids of unit vectors.

        Every row given is used; drawing a training sample is the caller's business. The result depends on the order of rows,
        so give them in an order of their own, such as by uid.

        Args:
            vectors: float32, shape (n, d), L2 norm 1.
            k: clusters wanted; n when there are fewer rows.

        Returns:
            Centroids, float32, shape (min(k, n), d), L2 norm 1, and how many rows are nearest to each, int64.

        Source:
            Dhillon and Modha 2001, Concept decompositions for large sparse text data using clustering; faiss.Kmeans with
            spherical=True, whose default of 256 training points per centroid at most is lifted here.
        """
        import faiss

        k = min(k, len(vectors))
        if not k:
            return np.zeros((0, vectors.shape[1] if vectors.ndim == 2 else 0), np.float32), np.zeros(0, np.int64)
        kmeans = faiss.Kmeans(
            vectors.shape[1],
            k,
            niter=self.iterations,
            seed=self.seed,
            spherical=True,
            gpu=faiss.get_num_gpus() > 0,
            min_points_per_centroid=1,
            max_points_per_centroid=max(1, len(vectors)),
        )
        kmeans.train(np.ascontiguousarray(vectors, np.float32))
        centroids = kmeans.centroids / np.linalg.norm(kmeans.centroids, axis=1, keepdims=True)
        nearest, _ = self.assign(vectors, centroids)
        return centroids, np.bincount(nearest, minlength=k).astype(np.int64)

    def assign(self, vectors: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest centroid of each vector by cosine, and that cosine.

        The two best of a float32 search are compared again in float64, so that the answer does not depend on how many rows
        are searched at once; equal cosines go to the lower number.

        Args:
            vectors: float32, shape (n, d), L2 norm 1.
            centroids: float32, shape (k, d), L2 norm 1, k >= 1.

        Returns:
            Cluster number, int32, and cosine similarity, float32, shape (n,) each.
        """
        import faiss

        index = faiss.IndexFlatIP(centroids.shape[1])
        index.add(np.ascontiguousarray(centroids, np.float32))
        exact = centroids.astype(np.float64)
        nearest = np.zeros(len(vectors), np.int32)
        similarity = np.zeros(len(vectors), np.float32)
        for start in range(0, len(vectors), self.block_rows):
            block = np.ascontiguousarray(vectors[start : start + self.block_rows], np.float32)
            _, candidates = index.search(block, min(2, len(centroids)))
            candidates.sort(axis=1)
            for first in range(0, len(block), _COMPARED_ROWS):
                found = slice(start + first, start + min(first + _COMPARED_ROWS, len(block)))
                few, near = vectors[found], candidates[first : first + _COMPARED_ROWS]
                cosines = np.einsum("nd,ncd->nc", few.astype(np.float64), exact[near])
                best, rows = cosines.argmax(axis=1), np.arange(len(few))
                nearest[found] = near[rows, best]
                similarity[found] = np.clip(cosines[rows, best], -1, 1)
        return nearest, similarity
