"""How close a picture is to the pictures of a target set."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.assignment import largest_product
from curation_assets.algorithms.vectors import require_unit_rows
from curation_assets.spec import Score
from curation_assets.tables import Column


def target_similarity(
    image_embedding: np.ndarray,
    target_embedding: np.ndarray,
    *,
    target: Annotated[str | None, Field(description="target set that the pictures are compared with")] = None,
) -> dict[str, np.ndarray]:
    """Largest cosine similarity of an image to any target picture, and that picture.

    High values are worth keeping where the target is what a model should learn; where it is what a model is tested on,
    they are contamination: see the filter `decontaminated`. Costs n * k * d multiplications. A grown target set needs all
    rows again.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        target_embedding: float32, shape (k, d), L2 norm 1, k >= 1.
        target: names the target set.

    Returns:
        `target_similarity`, float32, shape (n,), in [-1, 1]; `nearest_target`, int32, shape (n,), its row in
        `target_embedding`, of equals the first.

    Raises:
        SchemaError: rows are not unit vectors, the target set is empty, or it is of an encoder of another length.

    Source:
        Gadre et al. 2023, DataComp, arXiv:2304.14108: distance to ImageNet pictures as a filter, and removal of what is
        too similar to evaluation pictures. The latter uses descriptors made for copy detection; here CLIP embeddings.

    Example:
        >>> found = target_similarity(np.float32([[1, 0], [0, 1]]), np.float32([[0, 1], [0.6, 0.8]]))
        >>> found["target_similarity"].round(2).tolist(), found["nearest_target"].tolist()
        ([0.6000000238418579, 1.0], [1, 0])
    """
    require_unit_rows(image_embedding, "target_similarity: image_embedding")
    require_unit_rows(target_embedding, "target_similarity: target_embedding")
    cosine, nearest = largest_product(image_embedding, target_embedding)
    return {"target_similarity": np.clip(cosine, -1, 1).astype(np.float32), "nearest_target": nearest.astype(np.int32)}


SCORE = Score(
    compute=target_similarity,
    columns=(
        Column("target_similarity", pa.float32(), "cosine to the most similar target picture", bounds=(-1, 1)),
        Column("nearest_target", pa.int32(), "its place among the target's pictures that have a vector", bounds=(0, None)),
    ),
    source="DataComp, arXiv:2304.14108",
    version="1",
    is_on_demand=True,
    label="target",
)
