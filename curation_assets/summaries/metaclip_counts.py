"""How many captions of the pool match each entry of the metadata list."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.metaclip_balance import matched_pairs
from curation_assets.spec import Summary
from curation_assets.tables import Column


def metaclip_counts(metaclip_matches: np.ndarray) -> dict[str, np.ndarray]:
    """Captions that match each entry; a caption counts once for each of its entries.

    Args:
        metaclip_matches: int arrays or lists, shape (n,), entries by number.

    Returns:
        `metaclip_entry`, int32, ascending, entries with a match only; `metaclip_count`, int64.

    Source:
        Xu et al. 2023, Demystifying CLIP Data, arXiv:2309.16671, algorithm 1.

    Example:
        >>> {name: counts.tolist() for name, counts in metaclip_counts([[4, 1], [4], []]).items()}
        {'metaclip_entry': [1, 4], 'metaclip_count': [1, 2]}
    """
    entry, count = np.unique(matched_pairs(metaclip_matches)[1], return_counts=True)
    return {"metaclip_entry": entry.astype(np.int32), "metaclip_count": count.astype(np.int64)}


def merged_counts(counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Counts of all rows, from counts of parts of them."""
    entry, place = np.unique(counts["metaclip_entry"], return_inverse=True)
    count = np.zeros(len(entry), np.int64)
    np.add.at(count, place, counts["metaclip_count"])
    return {"metaclip_entry": entry.astype(np.int32), "metaclip_count": count}


SUMMARY = Summary(
    compute=metaclip_counts,
    merge=merged_counts,
    columns=(
        Column("metaclip_entry", pa.int32(), "entry of the metadata list, by number", bounds=(0, None)),
        Column("metaclip_count", pa.int64(), "captions that match it", bounds=(1, None)),
    ),
    source="Xu et al. 2023, arXiv:2309.16671",
    version="1",
)
