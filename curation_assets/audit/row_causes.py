"""The cause of each row that one side keeps and the other has not got: where that side lost it, and what differs there."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.decisions import Rows as Values
from curation_assets.holdings.stored import score_columns
from curation_assets.keep import columns_of
from curation_assets.lineage.causes import Cause, pool_cause
from curation_assets.lineage.diff import Reason, Sides, Stage, counterpart, filter_causes, places, structural_cause
from curation_assets.lineage.score_history import why_changed
from curation_assets.nodes import column_owners
from curation_assets.tables import Key

from .sides import Rows, Side, by_group

_POOL: Key = ("raw_pool",)
_REJECTED: Key = ("rejected_samples",)
_STALE = Cause("out_of_date", detail="a stored subset does not follow from its ledger; run curate apply")


@dataclass(frozen=True)
class Direction:
    """Rows that `keeping` has and `dropping` has not; `is_added` when the dropping side is the older one."""

    keeping: Side
    dropping: Side
    is_added: bool


@dataclass(frozen=True)
class Explained:
    """n rows with the number of each one's cause, and where they are in the dropping side's pool, -1 where they are not."""

    rows: Rows
    causes: list[Cause]
    codes: np.ndarray
    elsewhere: Rows


def explain(direction: Direction, rows: Rows) -> Explained:
    """Name the cause of every row."""
    codes = np.full(len(rows), -1)
    causes: dict[Cause, int] = {}

    def assign(cause: Cause, at: np.ndarray) -> None:
        if len(at):
            codes[at] = causes.setdefault(cause, len(causes))

    elsewhere = _located(direction, rows)
    outside = np.flatnonzero(elsewhere.row < 0)
    for cause, at in _outside(direction, rows.take(outside)):
        assign(cause, outside[at])
    inside = np.flatnonzero(elsewhere.row >= 0)
    kept, lost = rows.take(inside), elsewhere.take(inside)
    labels, stages, names = _dropped_in(direction.dropping, lost)
    assign(_STALE, inside[stages < 0])
    for (k, d, i, name), at in by_group(kept.shard, lost.shard, np.maximum(stages, 0), names):
        at = at[stages[at] >= 0]
        group = _Group(direction, (kept.take(at), lost.take(at)), (kept.shards[k], lost.shards[d]))
        found, own = group.causes(i, labels[name])
        for n, cause in enumerate(found):
            assign(cause, inside[at[own == n]])
    return Explained(rows, list(causes), codes, elsewhere)


def values_at(side: Side, column: str, shard: str, row: np.ndarray) -> pa.Array:
    """A score column at some rows of a shard."""
    return score_columns(side.reading(shard), side.state.project.graph, [column], row)[column]


@dataclass(frozen=True)
class _Group:
    """Rows of one shard, on the keeping and on the dropping side."""

    direction: Direction
    rows: tuple[Rows, Rows]
    shards: tuple[str, str]

    def causes(self, i: int, name: str) -> tuple[list[Cause], np.ndarray]:
        """Causes of rows that filter `name` of the dropping side's subset number i drops, and the number of each one's."""
        keeping, dropping = self.direction.keeping.chain, self.direction.dropping.chain
        is_added, stage = self.direction.is_added, dropping[i]
        structural = structural_cause(keeping, dropping, (stage.subset, name), is_added=is_added)
        other = counterpart(keeping, dropping, stage.subset)
        if structural is not None or other is None or not len(self.rows[0]):
            return [structural or _STALE], np.zeros(len(self.rows[0]), np.int64)
        stages, both = (other, stage), (self.direction.keeping, self.direction.dropping)
        values = [self._values(side, stage, n, name) for n, (side, stage) in enumerate(zip(both, stages, strict=True))]
        return filter_causes(Sides(*stages, name, *values), self._reason(), is_added=is_added)

    def _values(self, side: Side, stage: Stage, n: int, name: str) -> Values:
        columns = [column for _, part in stage.parts(name) for column in columns_of(part)]
        rows, graph = self.rows[n], side.state.project.graph
        return Values(score_columns(side.reading(self.shards[n]), graph, columns, rows.row), *rows.uid)

    def _reason(self) -> Reason:
        sides, shards = (self.direction.keeping, self.direction.dropping), self.shards
        if self.direction.is_added:
            sides, shards = sides[::-1], shards[::-1]
        return _score_reason((sides[0], sides[1]), shards)


def _score_reason(sides: tuple[Side, Side], shards: tuple[str, str]) -> Reason:
    """Why a column differs between two sides, the older one first."""
    old, new = (side.recorded for side in sides)

    @cache
    def reason(column: str, anywhere: bool) -> str:
        key = column_owners(new.graph)[column]
        return why_changed(old, new, key, (None, None) if anywhere else shards)

    return reason


def _located(direction: Direction, rows: Rows) -> Rows:
    """The same samples in the dropping side's pool: in the shard of the same name, else in any that changed."""
    keeping, dropping = (side.state.versions[_POOL] for side in (direction.keeping, direction.dropping))
    names = sorted(str(shard) for shard in dropping)
    shard, row = np.zeros(len(rows), np.int64), np.full(len(rows), -1)
    for (k,), at in by_group(rows.shard):
        if rows.shards[k] in dropping:
            uids, own = direction.dropping.pool_uids(rows.shards[k])
            found = places(uids, rows.take(at).uid)
            shard[at] = names.index(rows.shards[k])
            row[at] = np.where(found >= 0, own[found], -1) if len(own) else -1
    missing = np.flatnonzero(row < 0)
    changed = [name for name in names if keeping.get(name) != dropping[name]] if len(missing) else []
    if changed:
        pools = [direction.dropping.pool_uids(name) for name in changed]
        hi, lo = (np.concatenate([uids[half] for uids, _ in pools]) for half in (0, 1))
        found = places((hi, lo), rows.take(missing).uid)
        there = found >= 0
        shard[missing[there]] = np.repeat([names.index(n) for n in changed], [len(own) for _, own in pools])[found[there]]
        row[missing[there]] = np.concatenate([own for _, own in pools])[found[there]]
    return Rows(names, rows.uid, shard, row)


def _outside(direction: Direction, rows: Rows) -> list[tuple[Cause, np.ndarray]]:
    """Causes of samples that the dropping side's pool has not got, with the indices of their rows."""
    found = []
    for (k,), at in by_group(rows.shard):
        shard = rows.shards[k]
        has_shard = direction.dropping.has_shard(shard)
        reasons = _rejected(direction, shard, rows.row[at]) if has_shard else np.full(len(at), None)
        for reason in dict.fromkeys(reasons.tolist()):
            cause = pool_cause(is_added=direction.is_added, has_shard=has_shard, rejected=reason)
            found.append((cause, at[np.equal(reasons, reason)]))
    return found


def _rejected(direction: Direction, shard: str, row: np.ndarray) -> np.ndarray:
    """Reasons why the dropping side rejects samples of a shard, objects of shape (rows,), None where it does not.

    They are known by their key; those that were taken down have lost theirs, and are known by their row.
    """
    pool = direction.keeping.reading(shard)(_POOL, ["row", "key"])
    keys = pool["key"].take(pa.array(np.searchsorted(pool["row"].to_numpy(), row)))
    refused = direction.dropping.reading(shard)(_REJECTED, ["row", "key", "reason"])
    taken = refused.filter(pc.starts_with(refused["reason"], "takedown"))
    rows = pc.index_in(pa.array(row, pa.int32()), value_set=taken["row"].combine_chunks())
    named = pc.index_in(keys, value_set=refused["key"].combine_chunks())
    by_row, by_key = taken["reason"].take(rows), refused["reason"].take(named)
    return np.array(pc.coalesce(by_row, by_key).to_pylist(), dtype=object)


def _dropped_in(side: Side, rows: Rows) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of filters, and of each row the number of the chain's subset that drops it (-1: none) and that of the filter."""
    stages, names = np.full(len(rows), -1), np.zeros(len(rows), np.int64)
    labels: dict[str, int] = {"": 0}
    for (d,), at in by_group(rows.shard):
        read, waiting = side.reading(rows.shards[d]), at
        for i, stage in enumerate(side.chain):
            ledger = read(("decisions", stage.subset), ["row", "is_kept", "filter"])
            known = pc.index_in(pa.array(rows.row[waiting], pa.int32()), value_set=ledger["row"].combine_chunks())
            own = ledger.take(known)
            is_dropped = pc.equal(own["is_kept"], False).fill_null(False).to_numpy()
            stages[waiting[is_dropped]] = i
            filters = own["filter"].filter(pa.array(is_dropped)).to_pylist()
            names[waiting[is_dropped]] = [labels.setdefault(str(name), len(labels)) for name in filters]
            waiting = waiting[pc.fill_null(own["is_kept"], False).to_numpy()]
    return list(labels), stages, names
