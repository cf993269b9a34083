"""Agreement of image and caption by CLIP ViT-L/14, as DataComp's metadata states it."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column


def clip_l14_similarity_score(stored_clip_l14_score: np.ndarray) -> np.ndarray:
    """Cosine similarity of image and caption by OpenAI's CLIP ViT-L/14, as the pool states it.

    Handed on as it is stored; only a pool of format datacomp has it. `clip_score` is the same quantity measured here.

    Args:
        stored_clip_l14_score: float32, shape (n,), dimensionless in [-1, 1].

    Returns:
        float32, shape (n,), dimensionless in [-1, 1].

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, section 4; the column of that name in the released metadata.

    Example:
        >>> clip_l14_similarity_score(np.float32([0.25])).tolist()
        [0.25]
    """
    return stored_clip_l14_score


SCORE = Score(
    compute=clip_l14_similarity_score,
    columns=(Column("clip_l14_similarity_score", pa.float32(), "cosine by CLIP ViT-L/14, from the source", bounds=(-1, 1)),),
    source="DataComp, arXiv:2304.14108, section 4",
    version="1",
    is_on_demand=True,
)
