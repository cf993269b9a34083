"""Samples with the same uid in several shards: which of them is kept, and how many there are."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.grouping import ranked_copies
from curation_assets.algorithms.preference_order import preference_order
from curation_assets.spec import Prefer, Score
from curation_assets.tables import Column


def uid_copies(
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Prefer = "oldest",
) -> dict[str, np.ndarray]:
    """Place of the sample among those of the pool with equal uid, by preference.

    `uid_copies: {max: 0}` keeps one of each. Ingest rejects a uid that comes twice in one shard; between shards it cannot
    know. Of equally preferred rows the one that was read first is kept. Costs a sort of all rows.

    Args:
        preference: float64, shape (n,), high is preferred; the setting `prefer` says what it is.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: names the preference.

    Returns:
        `uid_copies`, int32, shape (n,): how many preferred samples have the same; 0 for the one to keep.
        `uid_group_size`, int32: samples that have it, this one included.

    Source:
        DataComp's resharder takes a uid for one sample: Gadre et al. 2023, arXiv:2304.14108; code mlfoundations/datacomp at
        4a8df199, resharder.py.

    Example:
        >>> uid = np.array([4, 5, 4])
        >>> uid_copies(np.array([0.0, -1, -2]), uid, uid)["uid_copies"].tolist()
        [0, 0, 1]
    """
    rank, size = ranked_copies(np.stack([uid_hi, uid_lo], axis=1), preference_order(preference, uid_hi, uid_lo))
    return {"uid_copies": rank, "uid_group_size": size}


SCORE = Score(
    compute=uid_copies,
    columns=(
        Column("uid_copies", pa.int32(), "preferred samples with equal uid; 0 is the one to keep", bounds=(0, None)),
        Column("uid_group_size", pa.int32(), "samples with equal uid, this one included", bounds=(1, None)),
    ),
    source="DataComp, arXiv:2304.14108; mlfoundations/datacomp at 4a8df199",
    version="1",
    keep="low",
    scope="pool",
    is_on_demand=True,
    label="prefer",
)
