"""What a published version says of members that were taken down: where they stood, and a digest in their place."""

from collections.abc import Sequence

import numpy as np

from .journal import as_json, write_durably
from .lake_roots import LakeRoot
from .matching import uids_among
from .publish import column_digests
from .removed_rows import read_redactions
from .versions import MEMBERS, uid_leaves

Removed = dict[str, object]  # position among the members as they were published, and leaf, 32 hex digits


def removed_members(root: LakeRoot, uids: set[str]) -> list[Removed]:
    """The members of a version that a takedown removes now, by the positions that they had when it was published.

    Args:
        root: of the version.
        uids: hex digits.
    """
    if MEMBERS not in root.tables:
        return []
    table = root.lake.read(MEMBERS, columns=["uid_hi", "uid_lo"])
    hi, lo = (table[name].to_numpy() for name in ("uid_hi", "uid_lo"))
    gone = {position for found in read_redactions(root.path) for position in found.removed}
    positions = [position for position in range(len(table) + len(gone)) if position not in gone]
    at = np.flatnonzero(uids_among(hi, lo, uids))
    leaves = uid_leaves(hi[at], lo[at])
    return [{"position": positions[i], "leaf": leaf.hex()} for i, leaf in zip(at.tolist(), leaves, strict=True)]


def write_redaction(root: LakeRoot, removed: Sequence[Removed], ticket: str, receipt: int) -> None:
    """Store beside a version's manifest what of it is gone, and the digests of what is left."""
    if not removed:
        return
    record = root.lake.records(MEMBERS)[None]
    content = record.get("content") if record.get("takedown") == receipt else None
    columns = content["columns"] if isinstance(content, dict) else column_digests(root.lake.read(MEMBERS))
    body = {
        "receipt": receipt,
        "ticket": ticket,
        "removed": sorted(removed, key=lambda one: int(str(one["position"]))),
        "rows_after": record["rows"],
        "column_digests_after": columns,
    }
    write_durably(root.path / f"redaction_{receipt}.json", as_json(body))
