"""Semantic duplicates: how close a sample's picture is to one that is preferred to it."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.preferred_neighbour import twin_columns
from curation_assets.spec import Prefer, Score
from curation_assets.tables import Column

_NAMES = ("semdedup_similarity", "semdedup_twin")


def semdedup_similarity(
    image_embedding: np.ndarray, preference: np.ndarray, uid_hi: np.ndarray, uid_lo: np.ndarray, *, prefer: Prefer = "hard"
) -> dict[str, np.ndarray]:
    """Largest cosine similarity to a sample of the same cluster that is preferred to this one, and that sample.

    All rows are one cluster. Compared is with all preferred rows, also those that are duplicates themselves. Every eps of the
    paper is a threshold: `semdedup_similarity: {max: 0.95}` is eps 0.05. Costs n * n * d / 2 multiplications and 64 MB
    beside the vectors; the numbers are exact, whatever the order of the rows. Duplicates across clusters are not seen.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        preference: float64, shape (n,), the larger the better; of equals the smaller uid is preferred.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: what `preference` is made of; SemDeDup's `hard` is what lies far from the cluster's centroid.

    Returns:
        `semdedup_similarity`, float32, shape (n,), in [0, 1], 0 for the most preferred row; `semdedup_twin_hi` and
        `semdedup_twin_lo`, int64, the uid of the preferred sample that is most similar, of equally similar ones the most
        preferred, its own where no similarity is positive.

    Raises:
        SchemaError: rows are not unit vectors, so a dot product is not a cosine.

    Source:
        Abbas et al. 2023, SemDeDup, arXiv:2303.09540, with the authors' semdedup.py, which floors negative similarities at
        0 (the zeroed triangle takes part in its maximum). Naming the twin is from NeMo Curator (Apache-2.0), where a row
        is a duplicate from 1 - eps on; here and in semdedup.py only above.

    Example:
        >>> rows, far = np.float32([[1, 0], [0.6, 0.8], [0, 1]]), np.array([-0.2, -0.9, -0.8])
        >>> semdedup_similarity(rows, far, np.array([1, 2, 3]), np.zeros(3, int))["semdedup_similarity"].round(2).tolist()
        [0.0, 0.800000011920929, 0.0]
    """
    return twin_columns(_NAMES, image_embedding, (preference, uid_hi, uid_lo))


def update_semdedup_similarity(
    image_embedding: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    former: Mapping[str, np.ndarray],
    is_new: np.ndarray,
    *,
    prefer: Prefer = "hard",
) -> dict[str, np.ndarray]:
    """What `semdedup_similarity` gives, bit for bit, where rows came and none went: only pairs with a new row are compared."""
    return twin_columns(_NAMES, image_embedding, (preference, uid_hi, uid_lo), (former, is_new))


SCORE = Score(
    compute=semdedup_similarity,
    columns=(
        Column("semdedup_similarity", pa.float32(), "cosine to the nearest preferred image of the cluster", bounds=(0, 1)),
        Column("semdedup_twin_hi", pa.int64(), "high half of that image's uid, its own if there is none"),
        Column("semdedup_twin_lo", pa.int64(), "low half of that uid"),
    ),
    source="SemDeDup, arXiv:2303.09540",
    version="2",
    keep="low",
    scope="cluster",
    update=update_semdedup_similarity,
    label="prefer",
)
