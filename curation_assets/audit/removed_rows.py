"""Rows that were taken down from a version after it was published, as the redactions in its folder tell.

A removed row leaves its place among the uids, and a digest of its uid (a leaf), so that what remains can still be proved.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from curation_assets.errors import LakeError

PATTERN = "redaction_*.json"


@dataclass(frozen=True)
class Redaction:
    """One removal of rows from a version.

    Args:
        receipt: its name.
        removed: leaf of each removed uid, by its position in the version as published (from 0, ascending uid).
        rows_after: rows of the version after it.
        column_digests_after: digest of every column of `members` after it.
        ticket: number that the takedown is known by.
    """

    receipt: str
    removed: Mapping[int, bytes]
    rows_after: int
    column_digests_after: Mapping[str, str]
    ticket: str


def read_redactions(folder: Path) -> list[Redaction]:
    """Redactions of a version in the order in which they were made: every one leaves fewer rows than the one before.

    Raises:
        LakeError: one of them is not readable.
    """
    return sorted((_read(path) for path in folder.glob(PATTERN)), key=lambda one: (-one.rows_after, one.receipt))


def receipts_since(records: Iterable[Mapping[str, object]], manifest: Mapping[str, object]) -> set[int]:
    """Receipts of the takedowns that changed partitions with these records after their version was published.

    A version that is published after a takedown has records which name that one as well; it is as it was published.
    """
    last = manifest.get("last_receipt")
    receipts = {found for record in records if isinstance(found := record.get("takedown"), int)}
    return {found for found in receipts if not isinstance(last, int) or found > last}


def with_removed(leaves: list[bytes], redactions: list[Redaction]) -> list[bytes]:
    """Leaves of the version as it was published, from those of the rows that remain and those that were removed.

    Raises:
        LakeError: the positions of the removed are not places among that many rows.
    """
    removed = {position: leaf for one in redactions for position, leaf in one.removed.items()}
    total = len(leaves) + sum(len(one.removed) for one in redactions)
    if len(removed) + len(leaves) != total or any(not 0 <= position < total for position in removed):
        raise LakeError(
            f"{len(removed):,} positions of removed rows are not {total - len(leaves):,} places among {total:,} rows"
        )
    remaining = iter(leaves)
    return [removed[i] if i in removed else next(remaining) for i in range(total)]


def _read(path: Path) -> Redaction:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        removed = {int(one["position"]): bytes.fromhex(one["leaf"]) for one in found["removed"]}
        if len(removed) != len(found["removed"]):
            raise LakeError(f"cannot read {path}: a position occurs twice")
        after = {str(name): str(digest) for name, digest in found["column_digests_after"].items()}
        return Redaction(str(found["receipt"]), removed, int(found["rows_after"]), after, str(found.get("ticket", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeError(f"cannot read {path}: {type(error).__name__} {error}") from error
