"""Removal of samples from every table of a lake root, with records that say what each partition is now made from.

What depends on each row alone is up to date afterwards; what looks at many rows at once is out of date, and made again by
`curate apply`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from curation_assets.algorithms.digest import json_digest, partition_version
from curation_assets.lineage.freshness import partition_name
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.nodes import Graph
from curation_assets.scores import all_scores
from resources.delta import Part
from resources.snapshot import STAMP

from .partition_cut import REJECTED, CutPartition, cut_partition
from .pool_cut import POOL, PoolCut
from .publish import content_digests
from .tombstones import TABLE as TOMBSTONES
from .versions import MEMBERS

_FAILED = "takedown"
# Names of tables whose rows each depend on their own row alone, besides scores of single samples; encoders have labels.
_ROW_WISE = (POOL, REJECTED, "pool_scores", "perceptual_hashes", "embeddings", "cluster_assignments", "subsets/", "decisions/")
# Rows that wait in memory for a common commit; a table has one commit unless it is larger.
_MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class Change:
    """What happens to one partition: rows and pointers lost, whether rows are rewritten, and its record afterwards."""

    table: str
    shard: str | None
    dropped: int
    blanked: int
    has_rows: bool
    record: Mapping[str, object]


@dataclass(frozen=True)
class Surgery:
    """A removal in one lake root.

    Args:
        pool: the root, and the rows that go.
        graph: of the live recipe; says which scores look at many rows at once.
        ticket: of the request.
        receipt: number of the receipt that it will get.
    """

    pool: PoolCut
    graph: Graph
    ticket: str
    receipt: int

    def changes(self) -> list[Change]:
        """All partitions that change, raw_pool last, so that an interrupted removal still knows which rows go."""
        tables = [table for table in self.pool.root.tables if table not in (TOMBSTONES, REJECTED, POOL)]
        tables += [table for table in (REJECTED, POOL) if table in self.pool.root.tables]
        cut = [change for table in tables for change in self._table(table)]
        versions = self._versions(cut)
        by_place = {(change.table, change.shard): change for change in cut}
        for table in tables:
            if self._is_row_wise(table):
                for shard, record in self.pool.root.lake.records(table).items():
                    change = by_place.get((table, shard))
                    mapped = _mapped(record if change is None else change.record, versions)
                    if mapped is not None:
                        kept = change or Change(table, shard, 0, 0, False, self._own(record))
                        by_place[table, shard] = Change(
                            table, shard, kept.dropped, kept.blanked, kept.has_rows, {**kept.record, "inputs": mapped}
                        )
        place = {table: number for number, table in enumerate(tables)}
        return sorted(by_place.values(), key=lambda change: (place[change.table], change.shard or ""))

    def write(self, changes: Sequence[Change]) -> Iterator[str]:
        """Store changes, a commit per table; yields the name of each table after its commit."""
        for table in dict.fromkeys(change.table for change in changes):
            parts: list[Part] = []
            waiting = 0
            for change in changes:
                if change.table == table:
                    parts.append(self._part(change))
                    waiting += 0 if parts[-1].rows is None else parts[-1].rows.nbytes
                    if waiting > _MOST_BYTES:
                        self.pool.root.lake.write(table, parts)
                        parts, waiting = [], 0
            if parts:
                self.pool.root.lake.write(table, parts)
            yield self.pool.root.shown(table)

    def _part(self, change: Change) -> Part:
        rows = self._cut(change.table, change.shard).rows if change.has_rows else None
        return Part(change.shard, rows, dict(change.record))

    def _table(self, table: str) -> Iterator[Change]:
        for shard, record in self.pool.root.lake.records(table).items():
            cut = self._cut(table, shard)
            if cut.rows is None and cut.uid_digest == record.get("uid_digest"):
                continue
            rows = self.pool.root.lake.snapshot(table).read(shard) if cut.rows is None else cut.rows
            new = {**self._own(record), "uid_digest": cut.uid_digest, "takedown": self.receipt, "rows": len(rows)}
            new |= {"former_version": record.get("data_version"), "data_version": _version(table, rows, cut.uid_digest)}
            if cut.is_broken:
                new[FAILED_CHECKS] = sorted({*_names(record.get(FAILED_CHECKS)), _FAILED})
            yield Change(table, shard, cut.dropped, cut.blanked, cut.rows is not None, new)

    def _own(self, record: Mapping[str, object]) -> dict[str, object]:
        """A record as it is stored; only a frozen table keeps the stamps of the commit that its rows are from."""
        return {name: value for name, value in record.items() if name not in STAMP or not self.pool.root.is_live}

    def _cut(self, table: str, shard: str | None) -> CutPartition:
        return cut_partition(self.pool, table, shard, self.ticket)

    def _versions(self, changes: Sequence[Change]) -> dict[str, tuple[object, object]]:
        """By partition name, data versions before and after this removal, of what it changes and has changed already."""
        records = [
            (partition_name(table, shard), record)
            for table in self.pool.root.tables
            for shard, record in self.pool.root.lake.records(table).items()
            if record.get("takedown") == self.receipt
        ]
        records += [(partition_name(change.table, change.shard), dict(change.record)) for change in changes]
        return {
            name: (record["former_version"], record["data_version"])
            for name, record in records
            if "former_version" in record and record.get("takedown") == self.receipt
        }

    def _is_row_wise(self, table: str) -> bool:
        if table.startswith("scores/"):
            node, score = self.graph.get(tuple(table.split("/"))), all_scores().get(table.removeprefix("scores/"))
            return not node.gathers if node is not None else score is not None and score.scope == "sample"
        return table.startswith(_ROW_WISE)


def _version(table: str, rows: pa.Table, uids: str | None) -> str:
    return json_digest(content_digests(rows)) if table == MEMBERS else partition_version(rows, uids)


def _mapped(record: Mapping[str, object], versions: Mapping[str, tuple[object, object]]) -> dict[str, object] | None:
    """The inputs of a record where some have changed by this removal alone; None if none has."""
    inputs = record.get("inputs")
    if not isinstance(inputs, dict):
        return None
    new = {name: versions[name][1] for name, version in inputs.items() if name in versions and versions[name][0] == version}
    return {**inputs, **new} if new else None


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
