"""How far a picture's perceptual hash is from one that is preferred to it."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.grouping import equal_values, places
from curation_assets.algorithms.hamming_join import MAX_RADIUS
from curation_assets.algorithms.perceptual_hash import PerceptualHashes, detail_words
from curation_assets.algorithms.perceptual_pairs import perceptual_pairs
from curation_assets.algorithms.preference_order import preference_order, twin_ranks
from curation_assets.spec import Prefer, Score
from curation_assets.tables import Column

MaxRadius = Annotated[int, Field(ge=0, le=MAX_RADIUS, description="largest distance that is looked for, in bits of 64")]


def phash_distance(
    perceptual_hash: np.ndarray,
    mirrored_hash: np.ndarray,
    detail_hash: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Prefer = "oldest",
    max_radius: MaxRadius = 10,
) -> dict[str, np.ndarray]:
    """Smallest perceptual distance to a preferred sample anywhere in the pool, and that sample.

    The distance is the larger of the different bits of 64 and a quarter of those of 256, rounded up, and the smaller of
    that of the picture and that of its mirror image. Compared is with all preferred rows, also those that are duplicates
    themselves; of equals the smaller uid is preferred. Every radius r below max_radius is a threshold:
    `phash_distance: {min: r + 1}`. Re-encoded and resized copies lie within 4. Time grows with the radius; see
    benchmarks/hamming.py. Cropped pictures are not found.

    Args:
        perceptual_hash: int64, shape (n,), 64 bits.
        mirrored_hash: int64, shape (n,), that of the picture flipped left to right.
        detail_hash: bytes objects, shape (n,), 256 bits of the picture and 256 of the flipped one.
        preference: float64, shape (n,), high is preferred; the setting `prefer` says what it is.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: names the preference.
        max_radius: beyond it no distance is told apart.

    Returns:
        `phash_distance`, int32, shape (n,), 0 to max_radius, or max_radius + 1 where no preferred row is that near;
        `phash_twin_hi` and `phash_twin_lo`, int64: uid of the nearest preferred row, of equally near ones the most
        preferred, its own where there is none.

    Source:
        Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions (64 bits and Hamming distance).
        Departures: the 256 bits, mirror images, and naming the twin.

    Example:
        >>> hashes, uid = np.array([0, 7, 255]), np.arange(3)
        >>> same = np.array([bytes(64)] * 3, object)
        >>> phash_distance(hashes, hashes, same, np.array([3.0, 2, 1]), uid, uid, max_radius=6)["phash_distance"].tolist()
        [7, 3, 5]
    """
    hashes = PerceptualHashes(perceptual_hash, mirrored_hash, detail_words(detail_hash))
    return _nearest(hashes, (preference, uid_hi, uid_lo), max_radius, None)


def update_phash_distance(
    perceptual_hash: np.ndarray,
    mirrored_hash: np.ndarray,
    detail_hash: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    former: Mapping[str, np.ndarray],
    is_new: np.ndarray,
    *,
    prefer: Prefer = "oldest",
    max_radius: MaxRadius = 10,
) -> dict[str, np.ndarray]:
    """The same numbers as `phash_distance` gives, from the former ones and the pairs with a new row.

    Args:
        former: its columns for the rows as they were; whatever stands at new rows is not read.
        is_new: bool, shape (n,).
    """
    hashes = PerceptualHashes(perceptual_hash, mirrored_hash, detail_words(detail_hash))
    return _nearest(hashes, (preference, uid_hi, uid_lo), max_radius, (former, is_new))


def _nearest(
    hashes: PerceptualHashes,
    order_by: tuple[np.ndarray, np.ndarray, np.ndarray],
    max_radius: int,
    earlier: tuple[Mapping[str, np.ndarray], np.ndarray] | None,
) -> dict[str, np.ndarray]:
    """Distances and twins of all rows; with former columns and `is_new`, only pairs with a new row are looked at."""
    order = preference_order(*order_by)
    n = len(order.rows)
    uid_hi, uid_lo = order_by[1:]
    # One number says both: distance * (n + 1) + rank of the twin. The smallest is the nearest, then the most preferred.
    best = np.full(n, (max_radius + 1) * (n + 1), np.int64)
    is_new = None
    if earlier is not None:
        former, is_new = earlier[0], earlier[1][order.rows]
        old = np.flatnonzero(~is_new & (former["phash_distance"][order.rows] <= max_radius))
        row = order.rows[old]
        twins = former["phash_twin_hi"][row], former["phash_twin_lo"][row]
        rank = twin_ranks(order, (uid_hi, uid_lo), twins, "phash_distance")
        best[old] = former["phash_distance"][row].astype(np.int64) * (n + 1) + rank
    _look(PerceptualHashes(*(part[order.rows] for part in hashes)), best, max_radius, is_new)
    distance, twin = np.divmod(best[order.rank], n + 1)
    twin = np.where(distance > max_radius, np.arange(n), order.rows[np.minimum(twin, n - 1)])
    return {"phash_distance": distance.astype(np.int32), "phash_twin_hi": uid_hi[twin], "phash_twin_lo": uid_lo[twin]}


def _look(hashes: PerceptualHashes, best: np.ndarray, max_radius: int, is_new: np.ndarray | None) -> None:
    """Lowers `best` by all pairs, or by those with a new row; rows come in order of preference."""
    n = len(best)
    group = equal_values(np.column_stack(hashes))
    survivor = places(group).survivor
    first = np.unique(survivor)  # of pictures with all bits equal only the most preferred is compared
    is_touched = None
    if is_new is not None:
        is_touched = np.bincount(group, weights=is_new) > 0
        is_touched = is_touched[group[first]]
    at_zero = survivor.copy()  # per first row, the most preferred row at distance 0
    for pairs in perceptual_pairs(PerceptualHashes(*(part[first] for part in hashes)), max_radius, is_touched):
        low, high = first[np.minimum(pairs.left, pairs.right)], first[np.maximum(pairs.left, pairs.right)]
        np.minimum.at(best, high, pairs.distance.astype(np.int64) * (n + 1) + low)
        is_same = pairs.distance == 0
        np.minimum.at(at_zero, high[is_same], low[is_same])
    is_copy = survivor != np.arange(n)
    best[is_copy] = np.minimum(best[is_copy], at_zero[survivor[is_copy]])


SCORE = Score(
    compute=phash_distance,
    columns=(
        Column("phash_distance", pa.int32(), "bits of 64 to the nearest preferred picture", bounds=(0, MAX_RADIUS + 1)),
        Column("phash_twin_hi", pa.int64(), "high half of that picture's uid, its own if there is none"),
        Column("phash_twin_lo", pa.int64(), "low half of that uid"),
    ),
    source="Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions",
    version="1",
    keep="high",
    scope="pool",
    is_on_demand=True,
    label="prefer",
    update=update_phash_distance,
)
