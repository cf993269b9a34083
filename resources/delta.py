"""Delta tables under one root: partitions are replaced whole, and the commit that wrote them says what they were made from.

What belongs here: how a table is laid out and written; snapshot.py reads. What a table means does not.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from pydantic import Field

from curation_assets.errors import LakeError
from resources.frozen_table import DataFile, replace_files
from resources.snapshot import (
    RECORD,
    SHARD,
    Records,
    Snapshot,
    find_version,
    folded,
    is_in_order,
    load_snapshot,
    snapshot_at,
)
from resources.table_layout import CONFIGURATION, writer_properties

# Newest snapshot that this process has seen of each table: asking again costs two file stats while nothing was written.
_snapshots: dict[str, Snapshot] = {}


@dataclass(frozen=True)
class Part:
    """One partition to be replaced, shard None being a whole table without shards.

    Args:
        shard: partition.
        rows: every column of the table in its stored type and order; sharded tables sorted by `row`. None leaves the rows as
            they are and replaces their record alone.
        record: plain JSON values kept with the commit: what the rows were made from.
    """

    shard: str | None
    rows: pa.Table | None
    record: dict[str, object]


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

    def write(self, table: str, parts: Sequence[Part]) -> int:
        """Replace partitions of a table, all in one commit.

        A table whose columns are no longer those given begins anew: its other partitions are gone, and so are their records,
        since no code that is left could read or have made them.

        Returns:
            Version of the table after the commit.

        Raises:
            LakeError: rows of another shard, rows out of order, or parts of different columns.
        """
        given = [part.rows for part in parts if part.rows is not None]
        for part in parts:
            _check(table, part, given[0].schema if given else None)
        before = self.create(table, given[0].schema) if given else self._opened(table)
        schema = given[0].schema if given else before.schema
        restarts = before.schema.remove_metadata() != schema.remove_metadata()
        record = _commit_record(before, parts, restarts=restarts)
        shards = [part.shard for part in parts if part.shard is not None and part.rows is not None]
        quoted = ", ".join(f"'{shard}'" for shard in shards)
        write_deltalake(
            self.uri(table),
            pa.concat_tables(given or [schema.empty_table()]).combine_chunks(),
            mode="overwrite" if given else "append",  # no rows appended: a commit of records alone
            schema_mode="overwrite" if restarts else None,
            predicate=f"{SHARD} IN ({quoted})" if shards and not restarts else None,
            storage_options=self.storage_options or None,
            writer_properties=writer_properties(schema),
            target_file_size=1 << 40,  # one file per shard, whatever its size
            commit_properties=CommitProperties(custom_metadata={RECORD: record}, max_commit_retries=100),
        )
        return self.version(table)

    def replace_files(
        self, table: str, files: Iterable[tuple[str | None, DataFile]], records: Mapping[str | None, Mapping[str, object]]
    ) -> int:
        """Replace partitions of a local table by whole data files, in one commit.

        Args:
            table: that exists.
            files: of each partition whose rows change; taken one after the other, so they need not fit into memory together.
            records: of these partitions, and of others that keep their rows; as in `Part`, each with its number of `rows`.

        Returns:
            Version of the table after the commit.
        """
        before = self._opened(table)
        parts = [Part(shard, None, dict(record)) for shard, record in records.items()]
        replace_files(before, files, _commit_record(before, parts, restarts=False))
        return self.version(table)

    def create(self, table: str, schema: pa.Schema) -> Snapshot:
        """The table as it is, created if it does not exist; safe to call from several processes at once."""
        found = self.snapshot(table)
        if found is not None:
            return found
        with self.lock("create"):
            DeltaTable.create(
                self.uri(table),
                schema=schema,
                mode="ignore",
                partition_by=[SHARD] if SHARD in schema.names else None,
                configuration=CONFIGURATION,
                storage_options=self.storage_options or None,
            )
        return self._opened(table)

    def snapshot(self, table: str) -> Snapshot | None:
        """The newest version of a table; None when it has not been created."""
        uri = self.uri(table)
        found = load_snapshot(uri, self.storage_options or None, _snapshots.get(uri))
        if found is None:
            _snapshots.pop(uri, None)
        else:
            _snapshots[uri] = found
        return found

    def read(self, table: str, *, shard: str | None = None, columns: list[str] | None = None) -> pa.Table:
        """Rows of one shard in their stored order, or of a whole table (shard by shard in alphabetical order).

        Raises:
            LakeError: the table does not exist, or its rows are out of order.
        """
        found = self._opened(table)
        parts = found.shards if shard is None and SHARD in found.schema.names else [shard]
        return pa.concat_tables([found.read(part, columns) for part in parts or [None]])

    def read_content(self, table: str, shard: str | None, having: tuple[str, object], columns: list[str]) -> pa.Table | None:
        """Rows that a shard had when a field of its record had a value; None when the lake no longer has them."""
        found = self._opened(table)
        name, value = having
        if found.records.get(shard, {}).get(name) == value:
            return found.read(shard, columns)
        version = find_version(found, shard, having)
        if version is None:
            return None
        try:
            return snapshot_at(found.uri, self.storage_options or None, version).read(shard, columns)
        except (OSError, DeltaError, LakeError):  # vacuumed since, or its log is gone
            return None

    def shards(self, table: str) -> list[str]:
        """Shards that have at least one row, in alphabetical order."""
        return self._opened(table).shards

    def version(self, table: str) -> int:
        """Newest version of a table."""
        return self._opened(table).version

    def exists(self, table: str) -> bool:
        """Whether a table has been created."""
        return self.snapshot(table) is not None

    def records(self, table: str) -> Records:
        """What each partition was last made from, by shard; None is the key of a table without shards.

        Each record also has `delta_version` and `written_at_ms` (since 1970, UTC). Empty when the table does not exist.
        """
        found = self.snapshot(table)
        return {} if found is None else found.records

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

    def _opened(self, table: str) -> Snapshot:
        found = self.snapshot(table)
        if found is None:
            raise LakeError(f"no table {table!r} in the lake {self.root}; materialize it first (curate apply)")
        return found


def _commit_record(before: Snapshot, parts: Sequence[Part], *, restarts: bool) -> dict[str, object]:
    """What a commit says of its partitions, and which shards of the table have a record and no rows after it."""
    rows = {} if restarts else {shard: record["rows"] for shard, record in before.records.items()}
    rows |= {part.shard: part.record["rows"] for part in parts if "rows" in part.record}
    rows |= {part.shard: len(part.rows) for part in parts if part.rows is not None}
    records = {part.shard: {"rows": rows[part.shard], **part.record} for part in parts}
    return folded(records, [s for s, n in rows.items() if s is not None and not n], restarts=restarts)


def _check(table: str, part: Part, schema: pa.Schema | None) -> None:
    """Raises LakeError for rows that do not belong where they are going."""
    if part.rows is None:
        return
    if part.rows.schema != schema:
        raise LakeError(f"{table}: shard {part.shard!r} has other columns than its neighbours in one write: {part.rows.schema}")
    if part.shard is not None and set(part.rows.column(SHARD).unique().to_pylist()) - {part.shard}:
        found = part.rows.column(SHARD).unique().to_pylist()
        raise LakeError(f"{table}: rows given for shard {part.shard!r} belong to {found}")
    if not is_in_order(part.rows):
        raise LakeError(f"{table}, shard {part.shard!r}: rows must come in ascending `row`, each once")
