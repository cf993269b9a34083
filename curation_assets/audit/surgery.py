"""Removal of samples from every table of a lake root, with records that say what each partition is now made from.

What depends on each row alone is up to date afterwards; what looks at many rows at once is out of date, and made again by
`curate apply`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation_assets.algorithms.digest import partition_version
from curation_assets.lineage.freshness import partition_name
from curation_assets.lineage.planning import FAILED_CHECKS
from curation_assets.nodes import Graph
from curation_assets.scores import all_scores
from resources.frozen_table import DataFile
from resources.snapshot import STAMP
from resources.table_layout import data_file
from resources.threads import computed_ahead

from .partition_cut import REJECTED, CutPartition, cut_key, cut_partition
from .pool_cut import POOL, PoolCut
from .publish import column_digests, remaining_digest
from .tombstones import TABLE as TOMBSTONES
from .versions import MEMBERS

_FAILED = "takedown"
# Names of tables whose rows each depend on their own row alone, besides scores of single samples; encoders have labels.
_ROW_WISE = (POOL, REJECTED, "pool_scores", "perceptual_hashes", "embeddings", "cluster_assignments", "subsets/", "decisions/")


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
class Left:
    """What is left of a partition: whether its rows change, how many they are, and as in Change and CutPartition.

    `content` are the digests of a version's members.
    """

    has_rows: bool
    rows: int
    uid_digest: str | None
    data_version: str
    dropped: int
    blanked: int
    is_broken: bool
    content: Mapping[str, object]


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
        tables = self._tables()
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

    def partitions(self) -> Iterator[tuple[str, str | None]]:
        """Table and shard of everything that may change."""
        return ((table, shard) for table in self._tables() for shard in self.pool.root.lake.records(table))

    def write(self, changes: Sequence[Change]) -> Iterator[str]:
        """Store changes, a commit per table; yields the name of each table after its commit."""
        lake = self.pool.root.lake
        for table in dict.fromkeys(change.table for change in changes):
            own = [change for change in changes if change.table == table]
            changed = [change for change in own if change.has_rows]
            keys = {change.shard: self.key(table, change.shard) for change in changed}
            files = zip((change.shard for change in changed), computed_ahead(self._file, changed), strict=True)
            lake.replace_files(table, files, {change.shard: change.record for change in own})
            snapshot = lake.snapshot(table)
            for shard, key in keys.items():
                for file in snapshot.files.get(shard, []):
                    self.pool.shared.rewritten.setdefault(key, Path(snapshot.uri) / file)
            yield self.pool.root.shown(table)

    def _file(self, change: Change) -> DataFile:
        """What takes the place of a partition's files; one that another table got for the same ones is shared."""
        if not change.record["rows"]:
            return None
        key = self.key(change.table, change.shard)
        if (linked := self.pool.shared.rewritten.get(key)) is not None:
            return linked
        return self.pool.shared.take(key) or data_file(self._cut(change.table, change.shard).rows)

    def _tables(self) -> list[str]:
        """All tables that may change, raw_pool last."""
        tables = [table for table in self.pool.root.tables if table not in (TOMBSTONES, REJECTED, POOL)]
        return tables + [table for table in (REJECTED, POOL) if table in self.pool.root.tables]

    def _table(self, table: str) -> Iterator[Change]:
        for shard, record in self.pool.root.lake.records(table).items():
            left = self.look(table, shard)
            if not left.has_rows and left.uid_digest == record.get("uid_digest"):
                continue
            new = {**self._own(record), "uid_digest": left.uid_digest, "takedown": self.receipt, "rows": left.rows}
            new |= {"former_version": record.get("data_version"), "data_version": left.data_version}
            if left.content:
                new["content"] = left.content
            if left.is_broken:
                new[FAILED_CHECKS] = sorted({*_names(record.get(FAILED_CHECKS)), _FAILED})
            yield Change(table, shard, left.dropped, left.blanked, left.has_rows, new)

    def look(self, table: str, shard: str | None) -> Left:
        """What is left of a partition; found once of a file that several tables have."""
        snapshot, key = self.pool.root.lake.snapshot(table), self.key(table, shard)

        def find() -> Left:
            cut = self._cut(table, shard)
            if cut.rows is None and cut.uid_digest == snapshot.records.get(shard, {}).get("uid_digest"):
                return Left(False, 0, cut.uid_digest, "", 0, 0, cut.is_broken, {})  # stays as it is
            rows = snapshot.read(shard) if cut.rows is None else cut.rows
            if cut.rows is not None:
                self.pool.shared.hold(key, rows)
            content = {"columns": column_digests(rows)} if table == MEMBERS else {}
            version = remaining_digest(content["columns"]) if content else partition_version(rows, cut.uid_digest)
            counts = cut.dropped, cut.blanked, cut.is_broken
            return Left(cut.rows is not None, len(rows), cut.uid_digest, version, *counts, content)

        return self.pool.shared.once(snapshot, shard, key, find)

    def key(self, table: str, shard: str | None) -> tuple[object, ...]:
        """All that decides what is left of a partition."""
        return (table, *cut_key(self.pool, table, shard, self.ticket))

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


def _mapped(record: Mapping[str, object], versions: Mapping[str, tuple[object, object]]) -> dict[str, object] | None:
    """The inputs of a record where some have changed by this removal alone; None if none has."""
    inputs = record.get("inputs")
    if not isinstance(inputs, dict):
        return None
    new = {name: versions[name][1] for name, version in inputs.items() if name in versions and versions[name][0] == version}
    return {**inputs, **new} if new else None


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []
