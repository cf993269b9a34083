"""A fixed random sample of the pool's image and caption embeddings, to compare every sample with."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.sampling import keyed_sample
from curation_assets.algorithms.vectors import to_binary
from curation_assets.spec import Summary
from curation_assets.tables import UID, Column

_Size = Annotated[int, Field(ge=1, description="pairs in the sample")]
_Seed = Annotated[int, Field(ge=0, description="names the draw")]


def reference_pairs(
    image_embedding: np.ndarray,
    text_embedding: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    size: _Size = 32_768,
    seed: _Seed = 0,
) -> dict[str, np.ndarray]:
    """Embeddings of the pairs whose uids have the smallest keyed hashes.

    Drawn once for an encoder, so that a growing pool does not change the scores of what is in it. A uniform sample that
    depends on uids and seed alone: not on the order of rows or shards, nor on how many there are of either. Holds at most
    `size` pairs, 2 * d * 2 bytes each: 67 MB for 32,768 pairs of 512 numbers.

    Args:
        image_embedding: float32, shape (n, d), L2 norm 1.
        text_embedding: float32, shape (n, d), L2 norm 1.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        size: pairs wanted; all where there are fewer.
        seed: names the draw.

    Returns:
        `uid_hi`, `uid_lo`, int64; `reference_image`, `reference_text`, bytes objects; shape (min(n, size),), ascending by
        uid.

    Source:
        Wang et al. 2024, CLIPLoss and Norm-Based Data Selection Methods, arXiv:2405.19547: batches of 32,768 pairs. There
        each batch is drawn anew inside one file, so that a score depends on what else is in the file; here all samples
        are compared with the same pairs.

    Example:
        >>> rows, uid = np.float32([[1, 0], [0, 1], [1, 0]]), np.arange(3)
        >>> reference_pairs(rows, rows, uid, uid, size=2)["uid_hi"].tolist()
        [0, 1]
    """
    pairs = {
        "uid_hi": np.asarray(uid_hi, np.int64),
        "uid_lo": np.asarray(uid_lo, np.int64),
        "reference_image": to_binary(image_embedding, "<f2").to_numpy(zero_copy_only=False),
        "reference_text": to_binary(text_embedding, "<f2").to_numpy(zero_copy_only=False),
    }
    return merged_pairs(pairs, size=size, seed=seed)


def merged_pairs(pairs: Mapping[str, np.ndarray], *, size: _Size = 32_768, seed: _Seed = 0) -> dict[str, np.ndarray]:
    """The sample of all rows, from samples of parts of them."""
    # Two pairs of one uid have one hash: their bytes decide, so that the order of shards never does.
    contents = [pairs["reference_image"], pairs["reference_text"]]
    order = np.array(sorted(range(len(contents[0])), key=lambda i: (contents[0][i], contents[1][i])), int)
    uids = pairs["uid_hi"][order], pairs["uid_lo"][order]
    chosen = order[keyed_sample(*uids, size, seed=seed, method="reference_pairs")]
    return {name: values[chosen] for name, values in pairs.items()}


SUMMARY = Summary(
    compute=reference_pairs,
    merge=merged_pairs,
    columns=(
        *UID,
        Column("reference_image", pa.binary(), "CLIP image vector, L2 norm 1, little-endian float16"),
        Column("reference_text", pa.binary(), "CLIP text vector, L2 norm 1, little-endian float16"),
    ),
    source="Wang et al. 2024, arXiv:2405.19547",
    version="1",
    is_frozen=True,
)
