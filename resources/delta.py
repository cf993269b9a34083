"""Delta tables under one root: partitions are replaced whole, and the commit that wrote one says what it was made from.

What belongs here: how a table is laid out, written and read. What a table means does not: callers bring the schema.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError
from pyarrow import fs
from pydantic import Field

from curation_assets.errors import LakeError

# Measured with deltalake 1.6.6: the log of 1,000 commits opens in 7 ms with a checkpoint every 20 and in 225 ms without one;
# by default log files older than 30 days, and with them the recorded lineage, would be deleted at a checkpoint.
_CONFIGURATION = {
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.enableExpiredLogCleanup": "false",
}
_SHARD = "shard"
_RECORD = "curation"


class Lake(dg.ConfigurableResource):
    """All tables of a recipe, below one root.

    A sharded table has one file per shard, rows in the order of `row`. delta-rs shuffles rows when it is given more than one
    record batch, so every write is a single batch, and every read is checked for order.
    """

    root: str = Field(description="folder, or URL such as s3://bucket/lake")
    storage_options: dict[str, str] = Field(default={}, description="credentials and endpoint of an object store")

    @property
    def is_local(self) -> bool:
        return "://" not in self.root

    def uri(self, table: str) -> str:
        """Place of a table, such as `scores/clip_score`."""
        return f"{self.root.rstrip('/')}/{table}"

    def write(self, table: str, rows: pa.Table, *, shard: str | None, record: dict[str, object]) -> int:
        """Replace one shard of a table, or a whole unpartitioned table, in one commit.

        Args:
            table: name below the root.
            rows: every column of the table in its stored type and order; sharded tables sorted by `row`.
            shard: partition to replace; None for a table without shards.
            record: plain JSON values kept with the commit: what the rows were made from.

        Returns:
            Version of the table after the commit.

        Raises:
            LakeError: rows of another shard, or rows out of order.
        """
        if shard is not None and set(rows.column(_SHARD).unique().to_pylist()) - {shard}:
            raise LakeError(f"{table}: rows given for shard {shard!r} belong to {rows.column(_SHARD).unique().to_pylist()}")
        if not _is_in_order(rows):
            raise LakeError(f"{table}, shard {shard!r}: rows must come in ascending `row`, each once")
        self.create(table, rows.schema)
        is_wide = any(pa.types.is_binary(field.type) and field.name.endswith("_embedding") for field in rows.schema)
        write_deltalake(
            self.uri(table),
            rows.combine_chunks(),
            mode="overwrite",
            predicate=None if shard is None else f"{_SHARD} = '{shard}'",
            storage_options=self.storage_options or None,
            writer_properties=_wide_columns() if is_wide else _narrow_columns(),
            target_file_size=1 << 40,  # one file per shard, whatever its size
            commit_properties=CommitProperties(custom_metadata={_RECORD: record}, max_commit_retries=100),
        )
        return self.version(table)

    def create(self, table: str, schema: pa.Schema) -> None:
        """Create a table if it does not exist; safe to call from several processes at once."""
        if DeltaTable.is_deltatable(self.uri(table), storage_options=self.storage_options or None):
            return
        with self.lock("create"):
            DeltaTable.create(
                self.uri(table),
                schema=schema,
                mode="ignore",
                partition_by=[_SHARD] if _SHARD in schema.names else None,
                configuration=_CONFIGURATION,
                storage_options=self.storage_options or None,
            )

    def read(self, table: str, *, shard: str | None = None, columns: list[str] | None = None) -> pa.Table:
        """Rows of one shard in their stored order, or of a whole table (shard by shard in alphabetical order).

        Raises:
            LakeError: the table does not exist, or its rows are out of order.
        """
        opened = self._open(table)
        if shard is None and _SHARD in {field.name for field in opened.schema().fields}:
            parts = [self.read(table, shard=name, columns=columns) for name in self.shards(table)]
            if parts:
                return pa.concat_tables(parts)
        wanted = None if columns is None else list(dict.fromkeys([*columns, *(["row"] if shard is not None else [])]))
        # Not through deltalake's own filesystem: with it a finished process can abort at exit (seen in 18 of 40 runs).
        local = fs.SubTreeFileSystem(self.uri(table), fs.LocalFileSystem()) if self.is_local else None
        only = None if shard is None else [(_SHARD, "=", shard)]
        rows = opened.to_pyarrow_dataset(filesystem=local, file_pruning_predicate=only).to_table(columns=wanted)
        if not _is_in_order(rows):
            rows = rows.sort_by("row")
            if not _is_in_order(rows):
                raise LakeError(f"{self.uri(table)}, shard {shard!r}: a row number is stored twice; rematerialize this shard")
        return rows if columns is None else rows.select(columns)

    def shards(self, table: str) -> list[str]:
        """Shards that have at least one row, in alphabetical order."""
        return sorted({str(part[_SHARD]) for part in self._open(table).partitions()})

    def version(self, table: str) -> int:
        """Newest version of a table."""
        return self._open(table).version()

    def exists(self, table: str) -> bool:
        """Whether a table has been created."""
        return DeltaTable.is_deltatable(self.uri(table), storage_options=self.storage_options or None)

    def records(self, table: str) -> dict[str | None, dict[str, object]]:
        """What each partition was last made from, by shard; None is the key of a table without shards.

        Each record also has `delta_version` and `written_at_ms` (since 1970, UTC). Empty when the table does not exist.
        """
        if not self.exists(table):
            return {}
        newest: dict[str | None, dict[str, object]] = {}
        for commit in self._open(table).history():
            record = commit.get(_RECORD)
            if isinstance(record, dict) and record.get(_SHARD) not in newest:
                stamp = {"delta_version": commit["version"], "written_at_ms": commit["timestamp"]}
                newest[record.get(_SHARD)] = {**record, **stamp}
        return newest

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold a lock of this lake between processes of one machine; freed by the system if the process dies.

        An object store has no such lock; there delta-rs's own commit retries have to do.

        Raises:
            LakeError: `wait` is False and another process holds it.
        """
        if not self.is_local:
            yield
            return
        folder = Path(self.root) / "_locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise LakeError(f"another process holds the lock {name!r} of {self.root}; wait for it to end") from error
            yield

    def _open(self, table: str) -> DeltaTable:
        try:
            return DeltaTable(self.uri(table), storage_options=self.storage_options or None)
        except TableNotFoundError as error:
            raise LakeError(f"no table {table!r} in the lake {self.root}; materialize it first (curate apply)") from error


def _is_in_order(rows: pa.Table) -> bool:
    if "row" not in rows.column_names or len(rows) < 2:
        return True
    row = rows.column("row").to_numpy()
    return bool((row[1:] > row[:-1]).all())


def _narrow_columns() -> WriterProperties:
    """Facts and scores: small, compressible, scanned whole."""
    return WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=131_072)


def _wide_columns() -> WriterProperties:
    """Embeddings: incompressible; small row groups keep the writer's memory flat (0.3 GB instead of 2.7 GB for 1 GB)."""
    plain = ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
    return WriterProperties(compression="UNCOMPRESSED", max_row_group_size=16_384, default_column_properties=plain)
