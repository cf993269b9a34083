"""Agreement of image and caption, less how well either agrees with others."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.vectors import require_unit_rows
from curation_assets.errors import SchemaError
from curation_assets.spec import Score
from curation_assets.tables import Column

_BLOCK_ROWS, _BLOCK_PAIRS = 512, 4096  # 16 MB of float64 at once


def negcliploss(
    image_embedding: np.ndarray,
    text_embedding: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    reference_pairs: Mapping[str, np.ndarray],
    *,
    temperature: Annotated[float, Field(gt=0, description="temperature of the encoder's contrastive loss")] = 0.01,
) -> np.ndarray:
    """Minus the contrastive loss of a sample in a batch of reference pairs, times the temperature.

    A caption that fits many images, or an image that fits many captions, scores low even where its CLIP score is high. The
    batch is the reference sample and the row itself, which counts once where it is in the sample. Scores of reference
    samples of different sizes cannot be compared: twice the pairs take away about temperature * ln 2. Costs 4 * d
    operations for each row and reference pair.

    Stored embeddings are float16, and float64 holds the sum of products of such unit vectors exactly, so neither the rows
    that are computed together nor the block size changes a bit.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        text_embedding: float32, shape (n, d), L2 norm 1.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        reference_pairs: columns of the summary of that name, its vectors as float32, shape (m, d).
        temperature: 0.01 for OpenAI's CLIP models, 0.07 for the public data filtering network.

    Returns:
        float32, shape (n,), dimensionless, <= 0; 0 where nothing else fits.

    Raises:
        SchemaError: rows are not unit vectors, or the reference pairs are of an encoder of another length.

    Source:
        Wang et al. 2024, arXiv:2405.19547; code ypwang61/negCLIPLoss_NormSim at cc0042fb. There the batches are drawn anew
        several times and averaged, do not cross files, and exp overflows in float32 above a cosine of 0.887; here the
        batch is one fixed sample and the logarithm of the sum is taken without overflow.

    Example:
        >>> rows, uid = np.float32([[1, 0], [0, 1]]), np.arange(2)
        >>> pairs = {"uid_hi": uid[:1], "uid_lo": uid[:1]}
        >>> pairs |= {"reference_image": rows[:1], "reference_text": rows[:1]}
        >>> negcliploss(rows, rows, uid, uid, pairs, temperature=1.0).round(3).tolist()
        [0.0, -0.31299999356269836]
    """
    require_unit_rows(image_embedding, "negcliploss: image_embedding")
    require_unit_rows(text_embedding, "negcliploss: text_embedding")
    images, texts = (reference_pairs[f"reference_{side}"] for side in ("image", "text"))
    if len(images) and images.shape[1] != image_embedding.shape[1]:
        raise SchemaError(
            f"negcliploss compares embeddings of length {image_embedding.shape[1]} with reference_pairs of length "
            f"{images.shape[1]}: they are of two encoders; make reference_pairs again"
        )
    drawn = set(zip(reference_pairs["uid_hi"].tolist(), reference_pairs["uid_lo"].tolist(), strict=True))
    is_drawn = np.array([uid in drawn for uid in zip(uid_hi.tolist(), uid_lo.tolist(), strict=True)], bool)
    found = np.empty(len(image_embedding), np.float32)
    for start in range(0, len(found), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        image, text = image_embedding[rows].astype(np.float64), text_embedding[rows].astype(np.float64)
        own = (image * text).sum(axis=1)
        norms = [_log_sum(a, b, own, is_drawn[rows], temperature) for a, b in ((image, texts), (text, images))]
        found[rows] = np.minimum(own - temperature / 2 * (norms[0] + norms[1]), 0)
    return found


def _log_sum(rows: np.ndarray, others: np.ndarray, own: np.ndarray, is_drawn: np.ndarray, temperature: float) -> np.ndarray:
    """Logarithm of the sum of exp(cosine / temperature) over the others and, where it is not among them, the own pair."""
    largest, total = np.where(is_drawn, -np.inf, own / temperature), np.where(is_drawn, 0.0, 1.0)
    for start in range(0, len(others), _BLOCK_PAIRS):
        exponents = rows @ others[start : start + _BLOCK_PAIRS].T.astype(np.float64) / temperature
        now = np.maximum(largest, exponents.max(axis=1))
        total = total * np.exp(largest - now) + np.exp(exponents - now[:, None]).sum(axis=1)
        largest = now
    return largest + np.log(total)


SCORE = Score(
    compute=negcliploss,
    columns=(Column("negcliploss", pa.float32(), "CLIP score less its batch normalisation", bounds=(None, 0)),),
    source="Wang et al. 2024, arXiv:2405.19547",
    version="1",
    is_on_demand=True,
)
