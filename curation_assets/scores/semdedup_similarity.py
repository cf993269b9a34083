"""Semantic duplicates: how close a sample's picture is to one that is preferred to it."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.vectors import require_unit_rows
from curation_assets.spec import Score
from curation_assets.tables import Column

_BLOCK_ROWS = 1024  # never more than this many rows times the cluster's rows of float32 at once


def semdedup_similarity(
    image_embedding: np.ndarray, centroid_similarity: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray
) -> dict[str, np.ndarray]:
    """Largest cosine similarity to a sample of the same cluster that is preferred to this one, and that sample.

    Preferred is what lies further from the centroid (SemDeDup's `hard`), of equals the smaller uid. All rows are one
    cluster. Compared is with all preferred rows, also those that are duplicates themselves. Every eps of the paper is a
    threshold: `semdedup_similarity: {max: 0.95}` is eps 0.05. Costs n * n * d / 2 multiplications; duplicates across
    clusters are not seen.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        centroid_similarity: float32, shape (n,), cosine to the cluster's centroid.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).

    Returns:
        `semdedup_similarity`, float32, shape (n,), in [0, 1], 0 for the most preferred row; `semdedup_twin_hi` and
        `semdedup_twin_lo`, int64, the uid of the preferred sample that is most similar, its own where there is none.

    Raises:
        SchemaError: rows are not unit vectors, so a dot product is not a cosine.

    Source:
        Abbas et al. 2023, SemDeDup, arXiv:2303.09540, with the authors' semdedup.py, which floors negative similarities at
        0 (the zeroed triangle takes part in its maximum). Naming the twin is from NeMo Curator (Apache-2.0), where a row
        is a duplicate from 1 - eps on; here and in semdedup.py only above.

    Example:
        >>> rows, near = np.float32([[1, 0], [0.6, 0.8], [0, 1]]), np.float32([0.2, 0.9, 0.8])
        >>> semdedup_similarity(rows, near, np.array([1, 2, 3]), np.zeros(3, int))["semdedup_similarity"].round(2).tolist()
        [0.0, 0.800000011920929, 0.0]
    """
    require_unit_rows(image_embedding, "semdedup_similarity: image_embedding")
    order = np.lexsort((uid_lo.view(np.uint64), uid_hi.view(np.uint64), centroid_similarity))
    vectors = np.ascontiguousarray(image_embedding[order], np.float32)
    n = len(vectors)
    similarity, twin = np.zeros(n, np.float32), np.arange(n)
    for start in range(0, n, _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        cosines = block @ vectors[: start + len(block)].T
        is_preferred = np.arange(start + len(block)) < np.arange(start, start + len(block))[:, None]
        cosines[~is_preferred] = 0
        best = cosines.argmax(axis=1)
        here = np.arange(start, start + len(block))
        similarity[here] = cosines[np.arange(len(block)), best]
        twin[here] = np.where(similarity[here] > 0, best, here)
    back = np.empty(n, np.int64)
    back[order] = np.arange(n)
    twins = order[twin[back]]
    return {
        "semdedup_similarity": np.minimum(similarity[back], 1),
        "semdedup_twin_hi": uid_hi[twins],
        "semdedup_twin_lo": uid_lo[twins],
    }


SCORE = Score(
    compute=semdedup_similarity,
    columns=(
        Column("semdedup_similarity", pa.float32(), "cosine to the nearest preferred image of the cluster", bounds=(0, 1)),
        Column("semdedup_twin_hi", pa.int64(), "high half of that image's uid, its own if there is none"),
        Column("semdedup_twin_lo", pa.int64(), "low half of that uid"),
    ),
    source="SemDeDup, arXiv:2303.09540",
    version="1",
    keep="low",
    scope="cluster",
)
