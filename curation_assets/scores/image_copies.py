"""Samples with the same image file: which of them is kept, and how many there are."""

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.grouping import ranked_copies
from curation_assets.algorithms.preference_order import preference_order
from curation_assets.spec import Prefer, Score
from curation_assets.tables import Column


def image_copies(
    image_sha256: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Prefer = "oldest",
) -> dict[str, np.ndarray]:
    """Place of the sample among those of the pool with equal image bytes, by preference.

    `image_copies: {max: 0}` keeps one of each. Of equally preferred rows the smaller uid comes first. Costs a sort of all
    rows.

    Args:
        image_sha256: bytes objects, shape (n,), sha256 of the image file.
        preference: float64, shape (n,), high is preferred; the setting `prefer` says what it is.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: names the preference.

    Returns:
        `image_copies`, int32, shape (n,): how many preferred samples have the same; 0 for the one to keep.
        `image_group_size`, int32: samples that have it, this one included.

    Source:
        img2dataset 1.47 (2023) stores the sha256 to this end. Departure: which row is kept is a preference.

    Example:
        >>> found = image_copies(np.array([b"a", b"b", b"a"], object), np.array([0.0, 0, 1]), np.arange(3), np.arange(3))
        >>> found["image_copies"].tolist()
        [1, 0, 0]
    """
    rank, size = ranked_copies(image_sha256, preference_order(preference, uid_hi, uid_lo))
    return {"image_copies": rank, "image_group_size": size}


SCORE = Score(
    compute=image_copies,
    columns=(
        Column("image_copies", pa.int32(), "preferred samples with equal image bytes; 0 is the one to keep", bounds=(0, None)),
        Column("image_group_size", pa.int32(), "samples with equal image bytes, this one included", bounds=(1, None)),
    ),
    source="img2dataset 1.47, compute_hash sha256",
    version="1",
    keep="low",
    scope="pool",
    is_on_demand=True,
    label="prefer",
)
