"""Why a row is in one set and not in another: the kinds of causes, each in a stable form and in words."""

from dataclasses import dataclass, replace

import numpy as np

from curation_assets.algorithms.identity import Halves, uid_order

# Kinds that say what came or went; seen from the other side they are each other. All other kinds are their own mirror.
_MIRRORED = {"shard_added": "shard_removed", "filter_added": "filter_removed"}
_MIRROR = {**_MIRRORED, **{new: old for old, new in _MIRRORED.items()}}

KINDS = (
    *("shard_added", "shard_removed", "file_changed", "takedown", "rejected"),
    *("filter_added", "filter_removed", "filter_changed", "source_changed", "parameter", "cut_moved"),
    *("score_changed", "score_missing", "upstream", "out_of_date"),
)

Plain = float | int | str | bool | None


@dataclass(frozen=True)
class Cause:
    """What changed from the old side to the new one, so that a row came or went.

    Args:
        kind: one of KINDS.
        subset: in whose filters the row was dropped.
        filter: filter there, composed ones as `any(a, b)`.
        column: score column that the filter looks at.
        parameter: setting of the filter.
        old: value of the parameter, version of the filter, source of the subset or cut, on the old side.
        new: the same on the new side.
        detail: why that is so, as far as it is known: a ticket, a reason, what made the score change.
    """

    kind: str
    subset: str | None = None
    filter: str | None = None
    column: str | None = None
    parameter: str | None = None
    old: Plain = None
    new: Plain = None
    detail: str | None = None

    @property
    def mirrored(self) -> "Cause":
        """The same seen from the other side; its detail is left out."""
        return replace(self, kind=_MIRROR.get(self.kind, self.kind), old=self.new, new=self.old, detail=None)

    @property
    def text(self) -> str:
        """One line for people."""
        where = f"{self.subset}.{self.filter}"
        because = f", {self.detail}" if self.detail else ""
        match self.kind:
            case "shard_added" | "shard_removed" | "file_changed":
                return self.kind.replace("_", " ")
            case "takedown":
                return f"takedown:{self.detail}"
            case "rejected":
                return f"rejected at ingest: {self.detail}"
            case "filter_added" | "filter_removed":
                return f"{self.kind.replace('_', ' ')}: {where}"
            case "filter_changed":
                return f"filter changed: {where} version {self.old} -> {self.new}"
            case "source_changed":
                return f"source changed: {self.subset} from {self.old} -> {self.new}"
            case "parameter":
                return f"parameter: {where}.{self.parameter} {self.old} -> {self.new}"
            case "cut_moved":
                return f"cut moved: {where}{because}"
            case "upstream":
                return f"changed in {self.subset}"
            case "out_of_date":
                return f"not explained: {self.detail}"
        return f"{self.kind.replace('_', ' ')}: {self.column}{because}"


def from_to(dropping: Plain, keeping: Plain, *, is_added: bool) -> dict[str, Plain]:
    """Old and new of a cause: a row that was added was dropped on the old side, one that was removed on the new side."""
    old, new = (dropping, keeping) if is_added else (keeping, dropping)
    return {"old": old, "new": new}


def pool_cause(*, is_added: bool, has_shard: bool, rejected: str | None) -> Cause:
    """Why a sample is not in the other side's pool.

    Args:
        is_added: whether it is the old side that has not got it.
        has_shard: whether that side has its shard at all.
        rejected: reason in that side's rejected samples; None if it is not among them.
    """
    if rejected is not None and rejected.startswith("takedown"):
        return Cause("takedown", detail=rejected.removeprefix("takedown").lstrip(": "))
    if rejected is not None:
        return Cause("rejected", detail=rejected)
    if not has_shard:
        return Cause("shard_added" if is_added else "shard_removed")
    return Cause("file_changed")


def spread(codes: np.ndarray, uids: Halves, most: int) -> np.ndarray:
    """Indices of a few of n rows: the first of each cause by uid, before the second of any.

    Args:
        codes: number of each row's cause, from 0.
        uids: of the rows.
        most: rows to pick.
    """
    order = uid_order(*uids)
    order = order[np.argsort(codes[order], kind="stable")]
    counts = np.bincount(codes) if len(codes) else np.zeros(0, np.int64)
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.argsort(rank, kind="stable")][:most]
