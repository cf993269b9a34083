"""One partition of one artifact being made: what it reads, what it writes, and the record of both.

Every asset goes through here, so that alignment of rows, data versions and recorded lineage are right in one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import table_digest
from curation_assets.algorithms.identity import uid_digest
from curation_assets.errors import LakeError, PoolError
from curation_assets.graph import Key
from curation_assets.lineage.freshness import partition_name, present_fingerprint
from curation_assets.tables import SHARD

from .partitions import shard_files
from .project import FAILED_CHECKS, Project, data_versions

_POOL: Key = ("raw_pool",)


@dataclass(frozen=True)
class Draft:
    """A table partition that is ready to be committed, with the record of what it was made from."""

    key: Key
    table: pa.Table
    record: dict[str, object]

    @property
    def rows(self) -> int:
        return len(self.table)


class Step:
    """One run of one asset on one partition.

    Takes the fingerprint before anything is read, so that an input which changes meanwhile leaves this partition out of
    date rather than silently stale.
    """

    def __init__(self, project: Project, key: Key, shard: str | None, run_id: str) -> None:
        """Args: the project, what is made, which shard of it (None: no shards), and the Dagster run that makes it.

        Raises:
            LakeError: an input has not been materialized, or the shard is not in the pool.
        """
        self.project, self.node, self.shard, self.run_id = project, project.graph[key], shard, run_id
        self.files = shard_files(project.recipe)
        self.shards = list(self.files)
        if not self.files:
            raise PoolError(f"pool.path {project.recipe.file.pool.path!r} matches no file; there is nothing to read")
        if shard is not None and shard not in self.files:
            raise LakeError(f"{partition_name(self.node.name, shard)}: pool.path matches no such shard; known: {self.shards}")
        self._records = {source: project.records(source) for source in {*self.node.inputs, _POOL} if source != key}
        self._previous = project.records(key).get(shard)
        versions = {source: data_versions(records) for source, records in self._records.items()}
        stamps = project.stamps(self.node, shard, self.files)
        self.fingerprint = present_fingerprint(self.node, shard, project.graph, self.shards, versions, stamps=stamps)

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
        rows = self.project.lake.read(source.name, shard=part, columns=columns)
        expected = self._records[key][part]["rows"]
        if len(rows) != expected:
            raise LakeError(f"{name} has {len(rows)} rows, its commit recorded {expected}; materialize {name} again")
        return rows

    def draft(self, key: Key, rows: Mapping[str, pa.Array | np.ndarray], data_version: str | None = None) -> Draft:
        """This step's partition of a table, not yet stored; `rows` has all its columns but `shard`.

        `data_version` replaces the digest of the columns where something else identifies the content.
        """
        node = self.project.graph[key]
        count = len(next(iter(rows.values())))
        columns = {SHARD.name: pa.repeat(self.shard or "", count), **rows} if node.is_sharded else dict(rows)
        arrays = [_as_type(columns[field.name], field.type) for field in node.table.schema]
        table = pa.Table.from_arrays(arrays, schema=node.table.schema)
        version = data_version or table_digest(table.drop_columns([SHARD.name]) if node.is_sharded else table)
        if key == _POOL:
            digest = uid_digest(table["uid_hi"].to_numpy(), table["uid_lo"].to_numpy())
        else:
            digest = self._digest(_POOL, self.shard) if _POOL in self._records else None
        record = {
            "asset": node.name,
            SHARD.name: self.shard,
            "data_version": version,
            "rows": len(table),
            "uid_digest": digest,
            "run_id": self.run_id,
            **self.fingerprint.as_record(),
        }
        return Draft(key, table, record)

    def commit(self, draft: Draft, metadata: Mapping[str, object], checks: list[dg.AssetCheckResult]) -> dg.MaterializeResult:
        """Replace the partition in the lake, last of all, and say to Dagster what the lake recorded.

        Checks and pictures come before: a step that fails or is killed on the way has stored nothing. A blocking check that
        failed is part of the commit, so that nothing ever reads the partition.
        """
        failed = [str(c.check_name) for c in checks if not c.passed and c.severity == dg.AssetCheckSeverity.ERROR]
        record = {**draft.record, FAILED_CHECKS: failed} if failed else draft.record
        name = self.project.graph[draft.key].name
        delta_version = self.project.lake.write(name, draft.table, shard=self.shard, record=record)
        rows = "dagster/partition_row_count" if self.shard is not None else "dagster/row_count"
        place: dict[str, object] = {
            rows: draft.rows,
            "dagster/uri": self.project.lake.uri(name),
            "delta_version": delta_version,
            "inputs": dg.MetadataValue.json(dict(list(self.fingerprint.inputs.items())[:50])),
        }
        if self._previous is not None:
            place["previous_run"] = dg.MetadataValue.dagster_run(str(self._previous["run_id"]))
            place["previous_data_version"] = str(self._previous["data_version"])
        return dg.MaterializeResult(
            asset_key=dg.AssetKey(draft.key),
            data_version=dg.DataVersion(str(draft.record["data_version"])),
            metadata={**metadata, **place},
            check_results=checks,
        )

    def _digest(self, key: Key, part: str | None) -> object:
        record = self._records[key].get(part)
        return None if record is None else record.get("uid_digest")


def _as_type(values: pa.Array | pa.ChunkedArray | np.ndarray, kind: pa.DataType) -> pa.Array:
    """Values as one array of the stored type; NaN becomes NULL, since a NaN is a number that was not measured."""
    if isinstance(values, np.ndarray):
        return pa.array(values, type=kind, from_pandas=True)
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return array if array.type == kind else array.cast(kind)
