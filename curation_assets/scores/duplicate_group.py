"""Groups of samples with the same or nearly the same picture, and the one of each that is kept."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation_assets.algorithms.grouping import Edges, chained, components, equal_values, places
from curation_assets.algorithms.hamming_join import MAX_RADIUS
from curation_assets.algorithms.perceptual_hash import PerceptualHashes, detail_words
from curation_assets.algorithms.perceptual_pairs import perceptual_pairs
from curation_assets.algorithms.preference_order import PreferenceOrder, preference_order, twin_ranks
from curation_assets.spec import Prefer, Score
from curation_assets.tables import Column

Radius = Annotated[int, Field(ge=-1, le=MAX_RADIUS, description="perceptual distance that joins two pictures, bits; -1: none")]
IsSha256 = Annotated[bool, Field(description="whether equal image files are joined")]


def duplicate_group(
    image_sha256: np.ndarray,
    perceptual_hash: np.ndarray,
    mirrored_hash: np.ndarray,
    detail_hash: np.ndarray,
    preference: np.ndarray,
    uid_hi: np.ndarray,
    uid_lo: np.ndarray,
    *,
    prefer: Prefer = "oldest",
    phash_radius: Radius = 4,
    is_sha256: IsSha256 = True,
) -> dict[str, np.ndarray]:
    """Place of the sample in its group of duplicates, whose first, the survivor, is the most preferred.

    Two samples are joined when their files are equal or their pictures lie within the radius (distance as in
    phash_distance, mirror images included); whatever is joined to one of a group belongs to it. `duplicate_rank: {max: 0}`
    keeps one of each group. Groups chain: their ends may lie further apart than the radius. Keeping by phash_distance
    instead compares with preferred rows only: two rows that only a less preferred one joins are both kept there.

    Args:
        image_sha256: bytes objects, shape (n,).
        perceptual_hash: int64, shape (n,), 64 bits.
        mirrored_hash: int64, shape (n,), that of the picture flipped left to right.
        detail_hash: bytes objects, shape (n,), 256 bits of the picture and 256 of the flipped one.
        preference: float64, shape (n,), high is preferred; the setting `prefer` says what it is.
        uid_hi: int64, shape (n,).
        uid_lo: int64, shape (n,).
        prefer: names the preference; of equals the smaller uid is preferred.
        phash_radius: -1 leaves the pictures out.
        is_sha256: whether equal files are joined.

    Returns:
        `duplicate_rank`, int32, shape (n,): members of the group preferred to this one; 0 for the survivor.
        `duplicate_group_size`, int32. `duplicate_survivor_hi` and `duplicate_survivor_lo`, int64: the survivor's uid.

    Source:
        Lee et al. 2021, Deduplicating Training Data Makes Language Models Better, arXiv:2107.06499, section 4.2: near
        duplicates are edges, connected components are clusters, one of each is kept. Here edges are those of pictures.

    Example:
        >>> hashes, uid = np.array([0, 7, 255]), np.arange(3)
        >>> files, same = np.array([b"a", b"b", b"c"], object), np.array([bytes(64)] * 3, object)
        >>> duplicate_group(files, hashes, hashes, same, np.zeros(3), uid, uid)["duplicate_rank"].tolist()
        [0, 1, 0]
    """
    hashes = PerceptualHashes(perceptual_hash, mirrored_hash, detail_words(detail_hash))
    order = preference_order(preference, uid_hi, uid_lo)
    return _grouped(_edges(image_sha256 if is_sha256 else None, hashes, order, phash_radius, None), order, (uid_hi, uid_lo))


def update_duplicate_group(
    image_sha256: np.ndarray,
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
    phash_radius: Radius = 4,
    is_sha256: IsSha256 = True,
) -> dict[str, np.ndarray]:
    """The same numbers as `duplicate_group` gives, from the former groups and the pairs with a new row.

    Args:
        former: its columns for the rows as they were; whatever stands at new rows is not read.
        is_new: bool, shape (n,).
    """
    hashes = PerceptualHashes(perceptual_hash, mirrored_hash, detail_words(detail_hash))
    order = preference_order(preference, uid_hi, uid_lo)
    old = np.flatnonzero(~is_new)
    survivors = former["duplicate_survivor_hi"][old], former["duplicate_survivor_lo"][old]
    survivor = twin_ranks(order, (uid_hi, uid_lo), survivors, "duplicate_group")

    def edges() -> Iterator[Edges]:
        yield order.rank[old], survivor
        files = image_sha256 if is_sha256 else None
        yield from _edges(files, hashes, order, phash_radius, is_new[order.rows])

    return _grouped(edges(), order, (uid_hi, uid_lo))


def _edges(
    image_sha256: np.ndarray | None,
    hashes: PerceptualHashes,
    order: PreferenceOrder,
    radius: int,
    is_new: np.ndarray | None,
) -> Iterator[Edges]:
    """What joins two ranks; with `is_new` (by rank), pairs of two old pictures that differ may be left out."""
    if image_sha256 is not None:
        yield chained(equal_values(image_sha256[order.rows]))
    if radius < 0:
        return
    hashes = PerceptualHashes(*(part[order.rows] for part in hashes))
    group = equal_values(np.column_stack(hashes))
    yield chained(group)
    first = np.unique(places(group).survivor)
    is_touched = None if is_new is None else (np.bincount(group, weights=is_new) > 0)[group[first]]
    for pairs in perceptual_pairs(PerceptualHashes(*(part[first] for part in hashes)), radius, is_touched):
        yield first[pairs.left], first[pairs.right]


def _grouped(edges: Iterator[Edges], order: PreferenceOrder, uid: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    place = places(components(len(order.rows), edges))
    survivor = order.rows[place.survivor[order.rank]]
    return {
        "duplicate_rank": place.rank[order.rank].astype(np.int32),
        "duplicate_group_size": place.size[order.rank].astype(np.int32),
        "duplicate_survivor_hi": uid[0][survivor],
        "duplicate_survivor_lo": uid[1][survivor],
    }


SCORE = Score(
    compute=duplicate_group,
    columns=(
        Column("duplicate_rank", pa.int32(), "members of the group that are preferred; 0 is the survivor", bounds=(0, None)),
        Column("duplicate_group_size", pa.int32(), "samples of the group, this one included", bounds=(1, None)),
        Column("duplicate_survivor_hi", pa.int64(), "high half of the survivor's uid, its own where it survives"),
        Column("duplicate_survivor_lo", pa.int64(), "low half of that uid"),
    ),
    source="arXiv:2107.06499, section 4.2, on pictures",
    version="1",
    keep="low",
    scope="pool",
    is_on_demand=True,
    label="prefer",
    update=update_duplicate_group,
)
