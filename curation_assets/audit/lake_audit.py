"""The audit of one lake: every partition is read once, shard by shard, and held against its record and its sources."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from curation_assets.errors import CurationError, LakeError
from curation_assets.holdings.stored import score_columns
from curation_assets.keep import fractions
from curation_assets.nodes import cut_key
from curation_assets.tables import Key
from resources.stored_files import StoredTable, files_below, logged_paths, read_stored

from .checks.cuts import CutCount
from .checks.files import file_findings, orphan_findings, partition_file_findings
from .checks.ledgers import chain_findings, kept_findings, ledger_findings, reason_findings
from .checks.partitions import digest_findings, identity_findings, record_findings, row_findings, statistics_findings
from .checks.samples import (
    alignment_findings,
    bounds_findings,
    null_findings,
    rejected_findings,
    uid_findings,
    wrong_nulls,
)
from .invariants import AuditFinding, Spot
from .lake_tables import LakeTables, Scope, files_of, plan_of, source_of

_POOL, _REJECTED = "raw_pool", "rejected_samples"
_IDENTITY = ("row", "uid_hi", "uid_lo")


@dataclass
class LakeAudit:
    """One lake under audit.

    Args:
        lake: its tables.
        scope: what is looked at.
        cuts: stored cuts, counted while the shards are read.
    """

    lake: LakeTables
    scope: Scope
    cuts: dict[Key, CutCount] = field(default_factory=dict)

    def findings(self) -> Iterator[AuditFinding]:
        """All findings about the tables of the lake."""
        for name in self.lake.names:
            yield from self._guarded(Spot(self._place(name)), self._files(name))
        for name in self.lake.names:
            if not self.lake.tables[name].is_sharded:
                yield from self._guarded(Spot(self._place(name)), self._whole(name))
        shards = self.lake.shards
        for number, shard in enumerate(shards):
            if not number % 10:
                self.scope.progress(f"{self.lake.prefix or 'lake'}: shard {number + 1:,} of {len(shards):,}")
            yield from self._shard(shard)
        for key, count in self.cuts.items():
            yield from self._guarded(Spot(self._place("/".join(key))), count.findings())

    def _place(self, name: str) -> str:
        return f"{self.lake.prefix}{name}"

    def _guarded(self, spot: Spot, findings: Iterator[AuditFinding]) -> Iterator[AuditFinding]:
        """The findings of a check; one that cannot cope with what it found is a finding itself."""
        try:
            yield from findings
        except Exception as error:  # the edge: an audit ends with a report, whatever it reads
            yield spot.breach("audit", "", "a check that can be carried out", f"{type(error).__name__}: {error}")

    def _files(self, name: str) -> Iterator[AuditFinding]:
        """The files of a table against its log, and its columns against the recipe's."""
        table, place, node = self.lake.tables[name], self._place(name), self.lake.node(name)
        self.scope.seen.tables += 1
        if table.snapshot.stamp is not None:
            on_disk = files_below(table.folder)
            yield from file_findings(place, table.files, on_disk)
            yield from orphan_findings(place, on_disk, logged_paths(table.folder) | {file.path for file in table.files})
        yield from partition_file_findings(place, table.files)
        if node is not None and (wanted := node.table.schema) != table.snapshot.schema.remove_metadata():
            missing = [f for f in wanted if f.name not in table.snapshot.schema.names]
            if missing or wanted.names != table.snapshot.schema.names:
                yield Spot(place).warning("schema", "columns", wanted.names, table.snapshot.schema.names)

    def _whole(self, name: str) -> Iterator[AuditFinding]:
        """A table without shards."""
        spot, node = Spot(self._place(name)), self.lake.node(name)
        rows = yield from self._partition(name, None)
        if rows is None:
            return
        if node is not None:
            yield from wrong_nulls(spot, node.table.columns, rows)
            yield from bounds_findings(spot, node.table.columns, rows)
        if self.lake.is_version and name == "members":
            yield from self._taken_down(spot, rows)
        if name.startswith("cuts/") and not self.lake.is_redacted:
            self._count_later(name, rows)

    def _shard(self, shard: str) -> Iterator[AuditFinding]:
        """One shard of every table; of each only the narrow columns that later ones are held against are kept."""
        held: dict[str, pa.Table] = {}
        for name in self.lake.names:
            table = self.lake.tables[name]
            if table.is_sharded and shard in self.lake.parts(table):
                spot = Spot(self._place(name), shard)
                yield from self._guarded(spot, self._sharded(name, shard, held))
        for key, count in list(self.cuts.items()):
            try:
                self._count(key, count, shard, held)
            except (CurationError, KeyError, ValueError, TypeError):  # what it reads is damaged, and has its own finding
                del self.cuts[key]

    def _sharded(self, name: str, shard: str, held: dict[str, pa.Table]) -> Iterator[AuditFinding]:
        rows = yield from self._partition(name, shard)
        if rows is None:
            return
        spot, node = Spot(self._place(name), shard), self.lake.node(name)
        yield from row_findings(spot, rows)
        if node is not None:
            yield from wrong_nulls(spot, node.table.columns, rows)
            yield from bounds_findings(spot, node.table.columns, rows)
            yield from null_findings(spot, node.table.columns, rows)
        if not self._lacks(rows, ("row",)):
            yield from self._against_others(name, shard, (rows, held))
        held[name] = rows.select([c for c in rows.column_names if c in (*_IDENTITY, *self._cut_columns(name))])

    def _partition(self, name: str, part: str | None) -> Iterator[AuditFinding]:
        """Read a partition and hold it against its record; returns its rows, None if they cannot be read."""
        table, spot = self.lake.tables[name], Spot(self._place(name), part or "")
        record = self.lake.record(name, part)
        is_whole = not self.scope.is_quick
        columns = None if is_whole else _narrow(table)
        try:
            rows = read_stored(table, list(files_of(table, part)), columns)
        except LakeError as error:
            yield spot.breach("unreadable", next(files_of(table, part), ""), "a file that can be read", error)
            return None
        self.scope.seen.partitions += 1
        self.scope.seen.rows += len(rows)
        yield from record_findings(spot, record, len(rows), is_ours=self.lake.node(name) is not None)
        if record is not None and is_whole and not (record.get("data_version") is None and self.lake.node(name) is None):
            yield from digest_findings(spot, record, rows)
            if name == _POOL:
                yield from identity_findings(spot, record, rows)
        if is_whole and table.snapshot.stamp is not None:
            for path in files_of(table, part):
                yield from statistics_findings(spot, table.folder / path)
        return rows

    def _against_others(self, name: str, shard: str, read: tuple[pa.Table, dict[str, pa.Table]]) -> Iterator[AuditFinding]:
        """What must hold between a partition and those that it was made from."""
        (rows, held), spot = read, Spot(self._place(name), shard)
        if name == _POOL:
            yield from uid_findings(spot, rows)
            yield from self._taken_down(spot, rows)
        elif name == _REJECTED:
            if _POOL in held:
                yield from rejected_findings(spot, held[_POOL], rows)
        elif not self.lake.is_behind(name, shard) and not self._is_foreign_and_other(name, shard):
            yield from self._aligned(name, shard)
            yield from self._of_samples(name, spot, read)
            yield from self._decided(name, spot, read)

    def _aligned(self, name: str, shard: str) -> Iterator[AuditFinding]:
        record, pool = self.lake.record(name, shard), self.lake.record(_POOL, shard)
        expected = None if pool is None else pool.get("uid_digest")
        if record is not None and record.get("uid_digest") != expected:
            spot = Spot(self._place(name), shard)
            yield spot.breach("alignment", "uid_digest", f"{expected}, as raw_pool", record.get("uid_digest"))

    def _of_samples(self, name: str, spot: Spot, read: tuple[pa.Table, dict[str, pa.Table]]) -> Iterator[AuditFinding]:
        rows, held = read
        if _POOL in held and "uid_hi" not in rows.column_names:
            yield from alignment_findings(spot, rows, held[_POOL])

    def _decided(self, name: str, spot: Spot, read: tuple[pa.Table, dict[str, pa.Table]]) -> Iterator[AuditFinding]:
        """A subset or its ledger against the source, and against each other."""
        (rows, held), plan = read, plan_of(self.lake, name)
        source = _POOL if plan is None else source_of(plan)
        if self._lacks(rows, _IDENTITY):
            return
        if "is_kept" in rows.column_names:
            yield from reason_findings(spot, rows)
            subset = f"subsets/{name.partition('/')[2]}"
            if source in held and plan is not None:
                yield from ledger_findings(spot, rows, held[source], source)
            if subset in held:
                yield from kept_findings(spot, rows, held[subset], subset)
        elif source in held:
            yield from chain_findings(spot, rows, held[source], source)

    def _is_foreign_and_other(self, name: str, shard: str) -> bool:
        """Whether a table that the recipe does not know belongs to other rows than raw_pool's: nothing can be said of it."""
        record, pool = self.lake.record(name, shard), self.lake.record(_POOL, shard)
        is_same = record is not None and pool is not None and record.get("uid_digest") == pool.get("uid_digest")
        return self.lake.node(name) is None and not is_same

    def _taken_down(self, spot: Spot, rows: pa.Table) -> Iterator[AuditFinding]:
        if self.scope.taken_down is None:
            return
        number = rows["row" if "row" in rows.column_names else "pool_row"]
        for at in self.scope.taken_down(rows):
            yield spot.breach("takedown", f"row {number[at].as_py()}", "no row that was taken down", "such a row")

    def _count_later(self, name: str, rows: pa.Table) -> None:
        """Prepare to count a stored cut again, if nothing that it was made from has changed since."""
        for plan in self.lake.plans:
            for number, fraction in enumerate(fractions(plan.keep)):
                key = cut_key(plan.name, number)
                if "/".join(key) == name and len(rows) == 1 and not self.lake.is_behind(name, None):
                    self.cuts[key] = CutCount(Spot(self._place(name)), fraction, rows.to_pylist()[0])

    def _cut_columns(self, name: str) -> set[str]:
        return {count.fraction.column for count in self.cuts.values()} if name.startswith("scores/") else set()

    def _count(self, key: Key, count: CutCount, shard: str, held: dict[str, pa.Table]) -> None:
        source = held["/".join(self.lake.graph[key].inputs[0])]
        graph, column = self.lake.graph, count.fraction.column
        found = score_columns(lambda owner, names: held["/".join(owner)], graph, [column], source["row"].to_numpy())
        count.count(found[column], source["uid_hi"].to_numpy(), source["uid_lo"].to_numpy())

    @staticmethod
    def _lacks(rows: pa.Table, columns: tuple[str, ...]) -> bool:
        return bool(set(columns) - set(rows.column_names))


def _narrow(table: StoredTable) -> list[str]:
    """Columns that are read where digests are left out: all but vectors."""
    schema = table.snapshot.schema
    is_wide = {f.name for f in schema if pa.types.is_binary(f.type) and ("embedding" in f.name or f.name == "centroid")}
    return [name for name in schema.names if name not in is_wide]
