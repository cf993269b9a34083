"""Samples with the same address: which of them is kept, and how many there are."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.grouping import ranked_copies
from curation_assets.algorithms.preference_order import preference_order
from curation_assets.spec import Prefer, Score
from curation_assets.tables import Column


def url_copies(
    url: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Prefer = "oldest",
) -> dict[str, np.ndarray]:
    """Place of the sample among those of the pool with equal URL, by preference.

    `url_copies: {max: 0}` keeps one of each. Of equally preferred rows the smaller uid comes first. Costs a sort of all
    rows.

    Args:
        url: str objects, shape (n,).
        preference: float64, shape (n,), high is preferred; the setting `prefer` says what it is.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: names the preference.

    Returns:
        `url_copies`, int32, shape (n,): how many preferred samples have the same; 0 for the one to keep.
        `url_group_size`, int32: samples that have it, this one included.

    Source:
        LAION-5B drops URLs that were seen already: Schuhmann et al. 2022, arXiv:2210.08402. Departure: which row is kept is a
        preference, not the first to be downloaded. URLs are compared as they are written, not normalised.

    Example:
        >>> found = url_copies(np.array(["a", "b", "a"], object), np.array([0.0, 0, 1]), np.arange(3), np.arange(3))
        >>> found["url_copies"].tolist()
        [1, 0, 0]
    """
    rank, size = ranked_copies(url, preference_order(preference, uid_hi, uid_lo))
    return {"url_copies": rank, "url_group_size": size}


SCORE = Score(
    compute=url_copies,
    columns=(
        Column("url_copies", pa.int32(), "preferred samples with equal URL; 0 is the one to keep", bounds=(0, None)),
        Column("url_group_size", pa.int32(), "samples with equal URL, this one included", bounds=(1, None)),
    ),
    source="LAION-5B, arXiv:2210.08402",
    version="1",
    keep="low",
    scope="pool",
    is_on_demand=True,
    label="prefer",
)
