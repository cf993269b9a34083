"""One score less another, row by row."""

from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.spec import Score
from curation_assets.tables import Column


def score_difference(
    minuend: np.ndarray,
    subtrahend: np.ndarray,
    *,
    of: Annotated[str, Field(description="score column that is taken from")] = "clip_score",
    minus: Annotated[str, Field(description="score column that is taken away")] = "clip_score",
) -> np.ndarray:
    """Difference of two score columns, such as one CLIP score of two encoders or of masked and whole images.

    Exact for columns of 32-bit integers, else rounded once as float64. Two encoders' scores have different scales: a
    difference orders rows, and 0 means nothing.

    Args:
        minuend: number, shape (n,), the column that `of` names.
        subtrahend: number, shape (n,), the column that `minus` names.
        of: a score column.
        minus: a score column.

    Returns:
        float64, shape (n,); NaN where both are infinite and equal.

    Source:
        Maini et al. 2023, T-MARS, arXiv:2307.03132: what hiding the text in an image does to its CLIP score.

    Example:
        >>> score_difference(np.float32([0.5, 0.25]), np.float32([0.25, 0.5])).tolist()
        [0.25, -0.25]
    """
    with np.errstate(invalid="ignore"):  # infinity less itself is no number, and becomes NULL
        return np.asarray(minuend, np.float64) - np.asarray(subtrahend, np.float64)


SCORE = Score(
    compute=score_difference,
    columns=(Column("score_difference", pa.float64(), "one score column less another"),),
    source="Maini et al. 2023, arXiv:2307.03132",
    version="1",
    is_on_demand=True,
    named_by={"minuend": "of", "subtrahend": "minus"},
)
