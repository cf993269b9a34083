"""Shorter side and shape of an image."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column


def image_size(width: np.ndarray, height: np.ndarray) -> dict[str, np.ndarray]:
    """Shorter side of the image, and longer side over shorter side.

    Args:
        width: int32, shape (n,), px, >= 1.
        height: int32, shape (n,), px, >= 1.

    Returns:
        min_side_px, int32, and aspect_ratio, float64 >= 1, shape (n,) each.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108, basic filtering; code mlfoundations/datacomp at 4a8df199. The
        reference divides by zero for an empty side; here ingest rejects such an image before.

    Example:
        >>> image_size(np.int32([600]), np.int32([200]))["aspect_ratio"].tolist()
        [3.0]
    """
    shorter, longer = np.minimum(width, height), np.maximum(width, height)
    return {"min_side_px": shorter.astype(np.int32), "aspect_ratio": longer / shorter}


SCORE = Score(
    compute=image_size,
    columns=(
        Column("min_side_px", pa.int32(), "shorter side, px", bounds=(1, None)),
        Column("aspect_ratio", pa.float64(), "longer side over shorter side", bounds=(1, None)),
    ),
    source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199",
    version="1",
)
