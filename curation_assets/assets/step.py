"""One partition of one artifact being made: what it reads, and the rows and the record that are to be stored.

Every asset goes through here, so that alignment of rows, data versions and recorded lineage are right in one place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import partition_version
from curation_assets.algorithms.identity import uid_digest
from curation_assets.errors import LakeError
from curation_assets.holdings.state import State
from curation_assets.lineage.freshness import partition_name, present_fingerprint, reasons_out_of_date
from curation_assets.tables import SHARD, Key
from resources.snapshot import Snapshot

_POOL: Key = ("raw_pool",)
_MOST_REASONS = 5


@dataclass(frozen=True)
class Draft:
    """A table partition that is ready to be stored, with the record of what it was made from."""

    key: Key
    shard: str | None
    table: pa.Table
    record: dict[str, object]

    @property
    def rows(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class Made:
    """What a step made of one table: rows, what the UI shows of them, and checks that were run before anything is stored.

    `pictures` makes more metadata; a run of many shards asks only its first few for it.
    """

    draft: Draft
    metadata: Mapping[str, object]
    checks: list[dg.AssetCheckResult] = field(default_factory=list)
    pictures: Callable[[], Mapping[str, object]] = dict

    @property
    def failed_checks(self) -> list[str]:
        """Checks that nothing may build upon: those that failed with the severity ERROR."""
        return [str(c.check_name) for c in self.checks if not c.passed and c.severity == dg.AssetCheckSeverity.ERROR]

    @property
    def warnings(self) -> list[str]:
        """Checks that failed with the severity WARN."""
        return [str(c.check_name) for c in self.checks if not c.passed and c.severity == dg.AssetCheckSeverity.WARN]

    @property
    def fault(self) -> str:
        """Why nothing may build upon it; empty if something may."""
        return checks_fault(self.failed_checks)


def checks_fault(failed: Sequence[str]) -> str:
    """Blocking checks that failed, in words; empty if none did."""
    return f"failed blocking checks: {', '.join(failed)}" if failed else ""


def with_pictures(made: Made) -> Made:
    """The same with its pictures drawn."""
    return replace(made, metadata={**made.metadata, **made.pictures()}, pictures=dict)


class Step:
    """One partition of one artifact, made from one state of the lake.

    The fingerprint and the rows that are read come from the same versions of the tables, whatever is written meanwhile, so
    an input that changes leaves this partition out of date rather than silently stale.
    """

    def __init__(self, state: State, key: Key, shard: str | None, run_id: str) -> None:
        """Args: what the lake holds, what is made, which shard of it (None: no shards), and the Dagster run that makes it.

        Raises:
            LakeError: an input has not been materialized, or the shard is not in the pool.
        """
        self.state, self.project, self.node = state, state.project, state.project.graph[key]
        self.shard, self.run_id, self.shards = shard, run_id, state.shards
        if shard is not None and shard not in state.shards:
            known = f"{state.shards[:20]}"
            raise LakeError(f"{partition_name(self.node.name, shard)}: pool.path matches no such shard; known: {known}")
        stamps, exceeded = state.outside(self.node, shard)
        self.fingerprint = present_fingerprint(
            self.node, shard, self.project.graph, state.shards, state.versions, stamps=stamps, exceeded=exceeded
        )
        self.reasons = reasons_out_of_date(state.records[key].get(shard), self.fingerprint)

    def read(self, key: Key, columns: list[str] | None = None, shard: str | None = None) -> pa.Table:
        """One partition of an input: this step's own shard, or the one named.

        Raises:
            LakeError: its rows were numbered by another version of the pool's shard than the present one.
        """
        source = self.project.graph[key]
        part = (shard or self.shard) if source.is_sharded else None
        name = partition_name(source.name, part)
        if part is not None and self._digest(key, part) != self._digest(_POOL, part):
            raise LakeError(f"{name} is not aligned with {partition_name('raw_pool', part)}; materialize {name} again")
        rows = self._snapshot(key).read(part, columns)
        expected = self.state.records[key][part]["rows"]
        if len(rows) != expected:
            raise LakeError(f"{name} has {len(rows)} rows, its commit recorded {expected}; materialize {name} again")
        return rows

    def require_unchanged_tar(self) -> None:
        """Raises unless the tar is the one that raw_pool was read from; offsets into another one give other pictures.

        Raises:
            LakeError: the tar was replaced or removed since.
        """
        stamps, _ = self.state.outside(self.project.graph[_POOL], self.shard)
        if stamps != self.state.records[_POOL][self.shard]["inputs"]:
            name = partition_name("raw_pool", self.shard)
            raise LakeError(f"the tar has changed since {name} was read from it; materialize raw_pool again")

    def draft(
        self,
        key: Key,
        rows: Mapping[str, pa.Array | np.ndarray],
        facts: Mapping[str, object] | None = None,
        *,
        data_version: str | None = None,
        shard: str | None = None,
    ) -> Draft:
        """This step's partition of a table, not yet stored; `rows` has all its columns but `shard`.

        `facts` are plain JSON values that are kept in the record; `data_version` replaces the digest of the columns where
        something else identifies the content; `shard` is another one than the step's own.
        """
        node, part = self.project.graph[key], shard or self.shard
        count = len(next(iter(rows.values())))
        columns = {SHARD.name: pa.repeat(part or "", count), **rows} if node.is_sharded else dict(rows)
        arrays = [_as_type(columns[field.name], field.type) for field in node.table.schema]
        table = pa.Table.from_arrays(arrays, schema=node.table.schema)
        if key == _POOL:
            uids = uid_digest(table["uid_hi"].to_numpy(), table["uid_lo"].to_numpy())
        else:
            uids = None if self.node.key == _POOL else self._digest(_POOL, part)
        record = {
            "asset": node.name,
            "data_version": data_version or partition_version(table, uids),
            "rows": len(table),
            "uid_digest": uids,
            "run_id": self.run_id,
            "reasons": first_few(self.reasons) or ["asked for"],
            **self.fingerprint.as_record(),
            **(facts or {}),
        }
        return Draft(key, part, table, record)

    def _snapshot(self, key: Key) -> Snapshot:
        found = self.state.snapshots[key]
        if found is None:
            raise LakeError(f"no table {self.project.graph[key].name!r} yet; materialize it first (curate apply)")
        return found

    def _digest(self, key: Key, part: str | None) -> object:
        record = self.state.records[key].get(part)
        return None if record is None else record.get("uid_digest")


def first_few(reasons: Sequence[str]) -> list[str]:
    """The first reasons, and how many there are more: a table of all shards can have one per shard."""
    more = len(reasons) - _MOST_REASONS
    return [*reasons[:_MOST_REASONS], *([f"and {more:,} more"] if more > 0 else [])]


def _as_type(values: pa.Array | pa.ChunkedArray | np.ndarray, kind: pa.DataType) -> pa.Array:
    """Values as one array of the stored type; NaN becomes NULL, since a NaN is a number that was not measured."""
    if isinstance(values, np.ndarray):
        return pa.array(values, type=kind, from_pandas=True)
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return array if array.type == kind else array.cast(kind)
