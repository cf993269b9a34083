"""Rows of a shard that need not be made again, because what they are made from is what it was.

A shard that was replaced by other bytes usually shares most rows with what it was before. Nothing is stored for this: the
former inputs are read from the former versions of their tables, and compared. Where those are gone (vacuumed), all rows are
made again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.lineage.freshness import partition_name
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.tables import Key

from .step import Step

_POOL: Key = ("raw_pool",)
_UID = ["uid_hi", "uid_lo"]
Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Reuse:
    """Which rows of a shard can be taken over from its former version.

    Args:
        former: stored columns of the shard as it was, without its keys; None if nothing can be taken over.
        at: for each of the n rows, where it stands in `former`; -1 for a row that has to be made, int64.
        former_inputs: by input, what the stored rows were made from; empty if that is not known.
    """

    former: pa.Table | None
    at: np.ndarray
    former_inputs: Mapping[Key, pa.Table] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, int]:
        """For the record: how many rows were made, and how many taken over."""
        return {"rows_made": int((self.at < 0).sum()), "rows_reused": int((self.at >= 0).sum())}

    @property
    def summary(self) -> str:
        """For the log."""
        made, reused = self.facts.values()
        return f"{made:,} rows made, {reused:,} taken over" if reused else f"{made:,} rows"

    def completed(self, make: Callable[[np.ndarray], Columns]) -> Columns:
        """All n rows: those made by `make`, which is given their positions, among those taken over."""
        fresh = np.flatnonzero(self.at < 0)
        made = make(fresh)
        if self.former is None or not len(self.at) - len(fresh):
            return made
        from_former = self.at.copy()
        from_former[fresh] = len(self.former) + np.arange(len(fresh))
        chosen = pa.array(from_former)
        joined = {name: pa.chunked_array([*self.former[name].chunks, column]) for name, column in made.items()}
        return {name: column.combine_chunks().take(chosen) for name, column in joined.items()}


def find_reusable(step: Step, read: Mapping[Key, list[str]], shard: str | None = None) -> Reuse:
    """Rows of a shard whose inputs are equal, value by value, to those that the stored rows were made from.

    Args:
        step: what is being made.
        read: by input, the columns that decide what is made of a row, and nothing else.
        shard: which shard, if the step makes all of them.
    """
    part = str(shard or step.shard)
    uid = step.read(_POOL, _UID, part)
    nothing = Reuse(None, np.full(len(uid), -1, np.int64))
    record = step.state.records[step.node.key].get(part)
    if record is None or not record.get("rows") or record.get(FAILED_CHECKS) or not _is_same_method(step, record):
        return nothing
    if step.state.snapshots[step.node.key].schema.names != list(step.node.table.names):
        return nothing
    lake = step.project.lake
    former_uid = lake.read_content("raw_pool", part, ("uid_digest", record["uid_digest"]), _UID)
    former = {key: _former(step, record, (key, part), columns) for key, columns in read.items()}
    if any(rows is None or len(rows) != record["rows"] for rows in (former_uid, *former.values())):
        return nothing
    at = _same_uid(uid, former_uid)
    for key, columns in read.items():
        matched = np.flatnonzero(at >= 0)
        now = step.read(key, columns, part).take(matched)
        before = former[key].take(at[matched])
        for name in columns:
            at[matched[~_equal(now[name], before[name])]] = -1
    own, columns = step.state.snapshots[step.node.key], [n for n in step.node.table.names if n not in ("shard", "row")]
    return Reuse(own.read(part, columns), at, former)


def _is_same_method(step: Step, record: Mapping[str, object]) -> bool:
    """Whether code, parameters and everything that is not per shard are as they were for the stored rows."""
    now, recorded = step.fingerprint.as_record(), record.get("inputs")
    if not isinstance(recorded, dict) or any(record.get(part) != now[part] for part in ("code_version", "parameters")):
        return False
    names = {*recorded, *step.fingerprint.inputs}
    whole = {name for name in names if name.startswith(("file:", "folder:")) or not name.endswith("]")}
    return all(recorded.get(name) == step.fingerprint.inputs.get(name) for name in whole)


def _former(step: Step, record: Mapping[str, object], source: tuple[Key, str], columns: list[str]) -> pa.Table | None:
    """An input as it was when the stored rows were made; None where the lake no longer has it."""
    key, shard = source
    table, recorded = step.project.graph[key].name, record.get("inputs")
    version = recorded.get(partition_name(table, shard)) if isinstance(recorded, dict) else None
    return step.project.lake.read_content(table, shard, ("data_version", version), columns)


def _same_uid(uid: pa.Table, former: pa.Table) -> np.ndarray:
    """For each uid, where it stands in the former table; -1 where it does not. A shard has no uid twice."""
    pairs = zip(former["uid_hi"].to_pylist(), former["uid_lo"].to_pylist(), strict=True)
    position = {pair: i for i, pair in enumerate(pairs)}
    now = zip(uid["uid_hi"].to_pylist(), uid["uid_lo"].to_pylist(), strict=True)
    return np.array([position.get(pair, -1) for pair in now], np.int64)


def _equal(a: pa.ChunkedArray, b: pa.ChunkedArray) -> np.ndarray:
    """Where two columns agree; NULL agrees with NULL."""
    both_null = pc.and_(pc.is_null(a), pc.is_null(b))
    return pc.or_(pc.fill_null(pc.equal(a, b), False), both_null).to_numpy(zero_copy_only=False)
