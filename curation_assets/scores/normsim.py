"""How much of a picture the pictures of a target set have in common with it."""

from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.assignment import largest_product
from curation_assets.algorithms.vectors import require_unit_rows
from curation_assets.errors import SchemaError
from curation_assets.spec import Score
from curation_assets.tables import Column

_BLOCK_ROWS = 4096


def normsim(
    image_embedding: np.ndarray,
    target_embedding: np.ndarray,
    *,
    target: Annotated[str | None, Field(description="target set that the pictures are compared with")] = None,
    p: Annotated[Literal[2, "inf"], Field(description="norm over the target pictures: 2 or inf")] = "inf",
    is_parity: Annotated[bool, Field(description="inf takes absolute values, as the reference does")] = False,
) -> np.ndarray:
    """The p-norm of the cosine similarities of an image to all target pictures.

    For p = 2 it is the root of a quadratic form, so that its square over k is the variance alignment score (VAS), and costs
    d * d operations per row whatever the number of target pictures; it grows with the root of k. For p = inf it is the
    similarity to the nearest picture and costs k * d.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        target_embedding: float32, shape (k, d), L2 norm 1, k >= 1.
        target: names the target set.
        p: the norm.
        is_parity: whether a picture that is opposite to a target counts as near, for p = inf.

    Returns:
        float32, shape (n,), dimensionless; in [0, sqrt(k)] for p = 2, in [-1, 1] for inf.

    Raises:
        SchemaError: rows are not unit vectors, the target set is empty, or it is of an encoder of another length.

    Source:
        Wang et al. 2024, arXiv:2405.19547 (NormSim), and arXiv:2402.02055 (VAS); code ypwang61/negCLIPLoss_NormSim at
        cc0042fb, whose infinity norm takes absolute values, so that the opposite of a target scores high; here the signed
        maximum unless `is_parity`.

    Example:
        >>> normsim(np.float32([[1, 0]]), np.float32([[0.6, 0.8], [-0.8, 0.6]]), p=2).tolist()
        [1.0]
    """
    require_unit_rows(image_embedding, "normsim: image_embedding")
    require_unit_rows(target_embedding, "normsim: target_embedding")
    if p == "inf":
        return np.clip(largest_product(image_embedding, target_embedding, is_absolute=is_parity)[0], -1, 1).astype(np.float32)
    if not len(target_embedding) or image_embedding.shape[1] != target_embedding.shape[1]:
        raise SchemaError(
            f"normsim compares rows of length {image_embedding.shape[1]} with {len(target_embedding)} target pictures of "
            f"length {target_embedding.shape[1]}: at least one is needed, and both must be made by one encoder"
        )
    moment = np.zeros((image_embedding.shape[1],) * 2)
    for start in range(0, len(target_embedding), _BLOCK_ROWS):
        block = target_embedding[start : start + _BLOCK_ROWS].astype(np.float64)
        moment += block.T @ block
    squares = np.empty(len(image_embedding))
    for start in range(0, len(squares), _BLOCK_ROWS):
        block = image_embedding[start : start + _BLOCK_ROWS].astype(np.float64)
        # One product per row, all of one shape, so that a row's bits do not depend on its neighbours.
        squares[start : start + _BLOCK_ROWS] = (np.matmul(block[:, None, :], moment)[:, 0] * block).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0)).astype(np.float32)


SCORE = Score(
    compute=normsim,
    columns=(Column("normsim", pa.float32(), "norm of the cosines to all target pictures", bounds=(-1, None)),),
    source="Wang et al. 2024, arXiv:2405.19547",
    version="1",
    is_on_demand=True,
    label="target",
)
