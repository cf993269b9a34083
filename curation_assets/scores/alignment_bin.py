"""Levels of agreement of image and caption, for training that is told the level instead of dropping the sample."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.errors import SchemaError
from curation_assets.spec import Score
from curation_assets.tables import Column


def alignment_bin(
    clip_score: np.ndarray,
    clip_score_counts: Mapping[str, np.ndarray],
    *,
    bins: Annotated[int, Field(ge=1, description="levels, about as many samples in each")] = 10,
    edges: Annotated[str, Field(description="edges of the levels instead, ascending: 0.2, 0.25, 0.3")] = "",
) -> np.ndarray:
    """Level of the CLIP score, from 0 for the worst, with about as many samples of the pool in each.

    A score equal to an edge belongs to the level below it, so equal scores share a level and levels may be empty where many
    are equal. Written edges stay where they are when the pool grows.

    Args:
        clip_score: float32, shape (n,).
        clip_score_counts: columns of the summary of that name.
        bins: levels.
        edges: numbers separated by commas; empty takes quantiles of the pool.

    Returns:
        int32, shape (n,), >= 0.

    Raises:
        SchemaError: the edges are no ascending numbers.

    Source:
        Kang et al. 2023, Noise-aware Learning from Web-crawled Image-Text Data (NoC), arXiv:2212.13563: levels of the CLIP
        score condition a captioner.

    Example:
        >>> alignment_bin(np.float32([0.1, 0.25, 0.3]), {}, edges="0.2, 0.25").tolist()
        [0, 1, 2]
    """
    limits = written_edges(edges) if edges.strip() else equal_edges(clip_score_counts, bins)
    # Written edges are compared in the column's own precision, so that 0.25 means the same score as in the table.
    return np.searchsorted(limits.astype(clip_score.dtype), clip_score, side="left").astype(np.int32)


def equal_edges(clip_score_counts: Mapping[str, np.ndarray], bins: int) -> np.ndarray:
    """The bins - 1 scores up to which 1/bins, 2/bins, ... of the samples lie, rounded up to whole buckets; float64."""
    ranked = np.cumsum(clip_score_counts["bucket_samples"])
    if not len(ranked):
        return np.zeros(0)
    wanted = -(-np.arange(1, bins) * ranked[-1] // bins)
    return clip_score_counts["bucket_high"][np.searchsorted(ranked, wanted)]


def written_edges(edges: str) -> np.ndarray:
    """Ascending numbers of a text, separated by commas; float64."""
    try:
        found = np.array([float(edge) for edge in edges.split(",")])
    except ValueError as error:
        raise SchemaError(f"alignment_bin needs edges as numbers separated by commas; found {edges!r}") from error
    if not (np.diff(found) > 0).all() or not np.isfinite(found).all():
        raise SchemaError(f"alignment_bin needs ascending, finite edges; found {edges!r}")
    return found


SCORE = Score(
    compute=alignment_bin,
    columns=(Column("alignment_bin", pa.int32(), "level of the CLIP score, 0 is the worst", bounds=(0, None)),),
    source="Kang et al. 2023, arXiv:2212.13563",
    version="1",
    is_on_demand=True,
)
