"""How likely MetaCLIP's balance keeps a caption, and whether it is drawn."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.keyed_uniform import keyed_uniform
from curation_assets.algorithms.metaclip_balance import entry_probability, inclusion_probability, matched_pairs
from curation_assets.spec import Score
from curation_assets.tables import Column


def metaclip_probability(
    metaclip_matches: np.ndarray,
    metaclip_counts: Mapping[str, np.ndarray],
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    t: Annotated[int, Field(ge=1, description="captions to keep per entry")] = 20_000,
    seed: Annotated[int, Field(ge=0, description="names the draw")] = 0,
) -> dict[str, np.ndarray]:
    """Probability that a caption is kept when each metadata entry keeps t of its captions, with a draw to decide by.

    Entries with few captions keep all of them, frequent ones a share. Growing counts only lower the probability and the
    draw stays, so rows leave and none comes back. An entry without a count is a new one and keeps everything.

    Args:
        metaclip_matches: int arrays or lists, shape (n,), entries of the metadata list by number.
        metaclip_counts: columns of the summary of that name.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        t: 20,000 for the paper's 400 million captions, 170,000 for its 2.5 billion.
        seed: names the draw.

    Returns:
        `metaclip_probability`, float64, shape (n,), in [0, 1], 0 where nothing matches; `metaclip_draw`, float64, uniform
        in (0, 1]; `metaclip_margin`, the probability less the draw: the row is drawn exactly where it is 0 or more.

    Raises:
        SchemaError: an entry is negative.

    Source:
        Xu et al. 2023, Demystifying CLIP Data, arXiv:2309.16671, algorithm 1. There each entry of a caption draws for
        itself, without a seed; one draw against the probability of any success keeps the same share.

    Example:
        >>> counts = {"metaclip_entry": np.array([0, 1]), "metaclip_count": np.array([40, 10])}
        >>> rows, uid = [[0], [0, 1], []], np.arange(3)
        >>> metaclip_probability(rows, counts, uid, uid, t=10)["metaclip_probability"].tolist()
        [0.25, 1.0, 0.0]
    """
    entry = metaclip_counts["metaclip_entry"]
    most = int(max(entry.max(initial=-1), matched_pairs(metaclip_matches)[1].max(initial=-1)))
    count = np.zeros(most + 1, np.int64)
    count[entry] = metaclip_counts["metaclip_count"]
    probability = inclusion_probability(metaclip_matches, entry_probability(count, t))
    draw = keyed_uniform(uid_hi, uid_lo, seed=seed, method="metaclip_probability")
    return {"metaclip_probability": probability, "metaclip_draw": draw, "metaclip_margin": probability - draw}


SCORE = Score(
    compute=metaclip_probability,
    columns=(
        Column("metaclip_probability", pa.float64(), "probability that the balance keeps the caption", bounds=(0, 1)),
        Column("metaclip_draw", pa.float64(), "uniform random number of the row", bounds=(0, 1)),
        Column("metaclip_margin", pa.float64(), "probability less draw: drawn where it is 0 or more", bounds=(-1, 1)),
    ),
    source="Xu et al. 2023, arXiv:2309.16671",
    version="1",
    is_on_demand=True,
)
