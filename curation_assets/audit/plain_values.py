"""Captions and URLs that only removed rows have: what the proof looks for, since one that others share may stay."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.snapshot import Snapshot
from resources.threads import computed_ahead

from .lake_roots import LakeRoot
from .matching import among
from .pool_cut import POOL
from .victims import Found

_PATTERNS_AT_ONCE = 500
_PREFIX = 24  # characters that are looked for in all rows at once; what has them is then compared as a whole


def unshared(roots: Sequence[LakeRoot], found: Found) -> tuple[list[str], list[str]]:
    """Captions and URLs of the rows that go which are in no caption, or no URL, of a row that stays."""
    captions = {victim.text for victim in found.victims.values() if victim.text.strip()}
    urls = {victim.url for victim in found.victims.values() if victim.url}
    parts: dict[tuple[object, bytes], tuple[Snapshot, str, np.ndarray]] = {}
    for root in roots:
        gone = found.rows(root.name)
        snapshot = root.lake.snapshot(POOL)
        for shard in snapshot.shards if snapshot is not None else ():
            rows = gone.get(shard, np.zeros(0, np.int32))
            parts[snapshot.identity(shard), rows.tobytes()] = snapshot, shard, rows  # files are shared with published versions

    def stays(part: tuple[Snapshot, str, np.ndarray]) -> tuple[set[str], set[str]]:
        snapshot, shard, rows = part
        table = snapshot.read(shard, ["row", "text", "url"])
        table = table.filter(pa.array(~among(table["row"].to_numpy(), rows)))
        return _parts_of(table["text"], captions), _parts_of(table["url"], urls)

    shared = list(computed_ahead(stays, parts.values()))
    return (
        sorted(captions.difference(*(texts for texts, _ in shared))),
        sorted(urls.difference(*(addresses for _, addresses in shared))),
    )


def _parts_of(column: pa.ChunkedArray, values: set[str]) -> set[str]:
    """The values that stand in a text of the column."""
    ordered, shared = sorted(values), set()
    for start in range(0, len(ordered), _PATTERNS_AT_ONCE):
        some = ordered[start : start + _PATTERNS_AT_ONCE]
        pattern = "|".join(sorted({re.escape(value[:_PREFIX]) for value in some}))
        texts = column.filter(pc.fill_null(pc.match_substring_regex(column, pattern), False)).to_pylist()
        shared |= {value for value in some if any(value in text for text in texts)}
    return shared
