"""Agreement of image and caption."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.vectors import require_unit_rows
from curation_assets.spec import Score
from curation_assets.tables import Column


def clip_score(
    image_embedding: np.ndarray,
    text_embedding: np.ndarray,
    *,
    encoder: Annotated[str, Field(description="one of the recipe's `encoders`; empty is its `encoder`")] = "",
) -> np.ndarray:
    """Cosine similarity of the image's and the caption's CLIP embedding.

    Not multiplied by 100 and not clipped at 0. Sums in float64, so that the result does not depend on how many rows are
    computed at once.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        text_embedding: float32, shape (n, d), L2 norm 1.
        encoder: whose embeddings these are.

    Returns:
        float32, shape (n,), dimensionless in [-1, 1].

    Raises:
        SchemaError: rows are not unit vectors, so a dot product is not a cosine.

    Source:
        Hessel et al. 2021, CLIPScore, arXiv:2104.08718; as DataComp uses it, arXiv:2304.14108, section 4. The first scales
        by 2.5 and clips at 0; DataComp does neither, nor do we.

    Example:
        >>> clip_score(np.float32([[1, 0]]), np.float32([[0.6, 0.8]])).tolist()
        [0.6000000238418579]
    """
    require_unit_rows(image_embedding, "clip_score: image_embedding")
    require_unit_rows(text_embedding, "clip_score: text_embedding")
    cosine = (image_embedding.astype(np.float64) * text_embedding).sum(axis=1)
    return np.clip(cosine, -1, 1).astype(np.float32)


SCORE = Score(
    compute=clip_score,
    columns=(Column("clip_score", pa.float32(), "cosine of image and caption embedding", bounds=(-1, 1)),),
    source="DataComp, arXiv:2304.14108, section 4",
    version="1",
    label="encoder",
)
