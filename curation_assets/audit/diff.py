"""What has to be done to one set of rows to get another: rows that come and go, each with its cause."""

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.identity import uid_hex
from curation_assets.algorithms.inert import excerpt, inert
from curation_assets.errors import ArgumentError
from curation_assets.holdings.project import Project
from curation_assets.lineage.causes import Cause, Plain, spread
from curation_assets.lineage.diff import only_in, places
from curation_assets.nodes import column_owners

from .row_causes import Direction, Explained, explain, values_at
from .sides import Rows, Side, open_side

SCHEMA = 1


@dataclass(frozen=True)
class CauseCount:
    """A cause, and how many rows came and went by it."""

    cause: Cause
    added: int
    removed: int


@dataclass(frozen=True)
class Sample:
    """A row that came or went.

    Args:
        uid: 32 hex digits.
        change: `added` or `removed`.
        shard: of the row where it is kept.
        row: there.
        caption: inert, at most 100 characters.
        cause: why.
        old: value of the cause's column on the old side, None where there is none.
        new: that on the new side.
    """

    uid: str
    change: str
    shard: str
    row: int
    caption: str
    cause: Cause
    old: Plain
    new: Plain


@dataclass(frozen=True)
class Diff:
    """What differs between two sides; `shards_read` of all `shards` have other rows."""

    a: Side
    b: Side
    causes: list[CauseCount]
    samples: list[Sample]
    shards: int
    shards_read: int

    @property
    def added(self) -> int:
        return sum(found.added for found in self.causes)

    @property
    def removed(self) -> int:
        return sum(found.removed for found in self.causes)

    @property
    def is_equal(self) -> bool:
        return not self.causes

    def as_json(self) -> dict[str, object]:
        """Plain JSON values of schema 1; docs/audit.md tells each key."""
        return {
            "schema": SCHEMA,
            "from": _side_json(self.a),
            "to": _side_json(self.b),
            "equal": self.is_equal,
            "added": self.added,
            "removed": self.removed,
            "shards": self.shards,
            "shards_read": self.shards_read,
            "causes": [{**_cause_json(c.cause), "added": c.added, "removed": c.removed} for c in self.causes],
            "samples": [_sample_json(sample) for sample in self.samples],
        }


def diff(project: Project, a: str, b: str, limit: int = 10) -> Diff:
    """Compare two subsets or published versions.

    Args:
        project: recipe, graph and lake.
        a: subset, or `dataset@version`: the old side.
        b: the new side.
        limit: most samples, spread over the causes.

    Raises:
        ArgumentError: no such subset or version, or a negative limit.
        LakeError: a side is not stored, or not for all shards.
    """
    if limit < 0:
        raise ArgumentError(f"--limit {limit}: expected 0 or more samples")
    old, new = open_side(project, a), open_side(project, b)
    added, removed, read = differing(old, new)
    came, went = explain(Direction(new, old, True), added), explain(Direction(old, new, False), removed)
    counts = _counts(came, went)
    shards = len({*old.contents, *new.contents})
    return Diff(old, new, counts, _samples((old, new), (came, went), counts, limit), shards, read)


def differing(old: Side, new: Side) -> tuple[Rows, Rows, int]:
    """Rows of the new side whose uid the old one has not got, the reverse, and how many shards have other rows.

    Shards with the same data version on both sides are read only if there are such rows: a uid may be in two shards.
    """
    same = {shard for shard, version in old.contents.items() if new.contents.get(shard) == version}
    rows = [side.members({*side.contents} - same) for side in (old, new)]
    removed, added = rows[0].take(only_in(rows[0].uid, rows[1].uid)), rows[1].take(only_in(rows[1].uid, rows[0].uid))
    if same and len(added) + len(removed):
        shared = old.members(same).uid
        added = added.take(np.flatnonzero(places(shared, added.uid) < 0))
        removed = removed.take(np.flatnonzero(places(shared, removed.uid) < 0))
    return added, removed, len({*old.contents, *new.contents} - same)


def _counts(came: Explained, went: Explained) -> list[CauseCount]:
    """Rows by cause, the most frequent cause first."""
    counts: dict[Cause, list[int]] = {}
    for i, found in enumerate((came, went)):
        for cause, n in zip(found.causes, np.bincount(found.codes, minlength=len(found.causes)).tolist(), strict=True):
            counts.setdefault(cause, [0, 0])[i] += n
    found = [CauseCount(cause, *n) for cause, n in counts.items()]
    return sorted(found, key=lambda c: (-c.added - c.removed, c.cause.text))


def _samples(
    sides: tuple[Side, Side], directions: tuple[Explained, Explained], counts: list[CauseCount], limit: int
) -> list[Sample]:
    """The first rows of each cause by uid, one of each cause before a second one of any."""
    place = {found.cause: i for i, found in enumerate(counts)}
    codes = [np.array([place[cause] for cause in found.causes], np.int64)[found.codes] for found in directions]
    hi, lo = (np.concatenate([found.rows.uid[half] for found in directions]) for half in (0, 1))
    came = len(codes[0])
    chosen = spread(np.concatenate(codes), (hi, lo), limit).tolist()
    return [_sample(sides, directions[int(at >= came)], at - came * (at >= came), is_added=at < came) for at in chosen]


def _sample(sides: tuple[Side, Side], found: Explained, at: int, *, is_added: bool) -> Sample:
    old, new = sides
    keeping, dropping = (new, old) if is_added else (old, new)
    row, lost = found.rows.take(np.array([at])), found.elsewhere.take(np.array([at]))
    cause, shard = found.causes[found.codes[at]], row.shards[row.shard[0]]
    pool = keeping.reading(shard)(("raw_pool",), ["row", "text"])
    caption = pool["text"][int(np.searchsorted(pool["row"].to_numpy(), row.row[0]))].as_py()
    kept = _value(keeping, cause.column, shard, row.row)
    dropped = _value(dropping, cause.column, lost.shards[lost.shard[0]], lost.row) if lost.row[0] >= 0 else None
    return Sample(
        uid=uid_hex(*row.uid)[0],
        change="added" if is_added else "removed",
        shard=shard,
        row=int(row.row[0]),
        caption=excerpt(caption or ""),
        cause=cause,
        old=dropped if is_added else kept,
        new=kept if is_added else dropped,
    )


def _value(side: Side, column: str | None, shard: str, row: np.ndarray) -> Plain:
    if column is None or column not in column_owners(side.state.project.graph):
        return None
    return _plain(values_at(side, column, shard, row)[0])


def _plain(value: pa.Scalar) -> Plain:
    found = value.as_py()
    return None if isinstance(found, float) and not np.isfinite(found) else found


def _side_json(side: Side) -> dict[str, object]:
    number = None if side.version is None else side.version.number
    return {"name": side.name, "dataset": side.subset, "version": number, "rows": side.rows}


def _cause_json(cause: Cause) -> dict[str, object]:
    return {**asdict(cause), "text": inert(cause.text, longest=300)}


def _sample_json(sample: Sample) -> dict[str, object]:
    rest = {name: getattr(sample, name) for name in ("uid", "change", "shard", "row", "caption")}
    cause = {"cause": inert(sample.cause.text, longest=300), "kind": sample.cause.kind, "column": sample.cause.column}
    return {**rest, **cause, "from": sample.old, "to": sample.new}
