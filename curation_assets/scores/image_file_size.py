"""Size of an image file."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Score
from curation_assets.tables import Column


def image_file_size(image_bytes: np.ndarray) -> dict[str, np.ndarray]:
    """Size of the image file as it lies in the pool, in bytes, so that filters can ask for it.

    Pools that img2dataset made hold images that were encoded again, so it is not the size on the web.

    Args:
        image_bytes: int64, shape (n,), >= 1.

    Returns:
        image_file_bytes, int64, shape (n,).

    Source:
        Schuhmann et al. 2021, LAION-400M, arXiv:2111.02114, drops image files under 5 KB.

    Example:
        >>> image_file_size(np.array([5000]))["image_file_bytes"].tolist()
        [5000]
    """
    return {"image_file_bytes": image_bytes.astype(np.int64)}


SCORE = Score(
    compute=image_file_size,
    columns=(Column("image_file_bytes", pa.int64(), "size of the image file, bytes", bounds=(1, None)),),
    source="LAION-400M, arXiv:2111.02114",
    version="1",
    is_on_demand=True,
)
