"""How far a sample lies from its cluster's prototype."""

import numpy as np
import pyarrow as pa

from curation_assets.spec import Clustering, Score
from curation_assets.tables import Column


def prototype_distance(
    centroid_similarity: np.ndarray,
    *,
    clustering: Clustering = "",
) -> np.ndarray:
    """Cosine distance of the image to the centroid of its cluster.

    Far means hard: an unusual member of its cluster. Sorscher et al. keep the hardest samples when data is plentiful, which
    is the direction of a fraction here; `max` keeps the easy ones.

    Args:
        centroid_similarity: float32, shape (n,), cosine similarity to the nearest centroid.
        clustering: whose centroids these are.

    Returns:
        float32, shape (n,), dimensionless in [0, 2].

    Source:
        Sorscher et al. 2022, Beyond neural scaling laws, arXiv:2206.14486, section 5 (self-supervised prototypes). The
        published score files have the sign flipped; here larger is farther.

    Example:
        >>> prototype_distance(np.float32([1.0, 0.25])).tolist()
        [0.0, 0.75]
    """
    return np.clip(1 - np.asarray(centroid_similarity, np.float32), 0, 2)


SCORE = Score(
    compute=prototype_distance,
    columns=(Column("prototype_distance", pa.float32(), "cosine distance to the cluster's centroid", bounds=(0, 2)),),
    source="Sorscher et al. 2022, arXiv:2206.14486",
    version="1",
    label="clustering",
)
