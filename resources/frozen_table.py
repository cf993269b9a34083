"""A second table with the rows and records of a first one at a moment, sharing its files: it stays when the first moves on."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from shutil import copy2
from uuid import uuid4

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction

from curation_assets.errors import LakeError

from .snapshot import RECORD, SHARD, Snapshot, folded, load_snapshot, reading
from .table_layout import CONFIGURATION

# What takes the place of a partition's files: a file of another table of the same columns, which is shared; the bytes of a new
# one, from `data_file`; None where no rows are left.
DataFile = Path | pa.Buffer | None


def freeze(snapshot: Snapshot, uri: str, shards: Collection[str] | None = None) -> None:
    """Make a table at `uri` that holds what a snapshot holds, without copying rows where the disk knows hard links.

    Args:
        snapshot: of a table on a local disk.
        uri: folder of the new table; nothing may be there.
        shards: partitions to take; None takes all. A table without shards is taken whole.

    Raises:
        LakeError: the table is not on a local disk, or there is something at `uri`.
    """
    if snapshot.stamp is None:
        raise LakeError(f"{snapshot.uri} is not on a local disk; only local tables can be frozen")
    if Path(uri).exists():
        raise LakeError(f"{uri} exists already; a frozen table is never changed")
    wanted = [part for part in snapshot.records if part is None or shards is None or part in shards]
    is_sharded = SHARD in snapshot.schema.names
    table = DeltaTable.create(
        uri, schema=snapshot.schema, partition_by=[SHARD] if is_sharded else None, configuration=CONFIGURATION
    )
    files = [(part, path) for part in wanted for path in snapshot.files.get(part, [])]
    empty = [part for part in wanted if part is not None and part not in snapshot.files]
    record = folded({part: snapshot.records[part] for part in wanted}, empty, restarts=False)
    for _, path in files:
        _link(Path(snapshot.uri) / path, Path(uri) / path)
    table.create_write_transaction(
        [_action(Path(uri), path, part) for part, path in files],
        mode="append",
        schema=snapshot.schema,
        partition_by=[SHARD] if is_sharded else None,
        commit_properties=CommitProperties(custom_metadata={RECORD: record}),
    )


def _link(source: Path, to: Path) -> None:
    """Share a data file with another table."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.unlink(missing_ok=True)  # of a commit that never came
    try:
        try:
            os.link(source, to)
        except OSError:  # another disk, or one without links
            copy2(source, to)
    except OSError as error:
        raise LakeError(f"cannot freeze {source}: {error}; materialize it again, or free the disk") from error


def _action(to: Path, path: str, shard: str | None) -> AddAction:
    """A data file of a table, as the log wants it."""
    status = (to / path).stat()
    partition = {} if shard is None else {SHARD: shard}
    return AddAction(path, status.st_size, partition, int(status.st_mtime * 1000), True, json.dumps({}))


def replace_files(snapshot: Snapshot, files: Iterable[tuple[str | None, DataFile]], record: Mapping[str, object]) -> None:
    """Replace partitions of a local table by whole data files, in one commit.

    Args:
        snapshot: the table as it is.
        files: of each partition that is replaced, one after the other.
        record: what the commit says.
    """
    replaced, added = [], []
    for shard, file in files:
        replaced.append(shard)
        if file is None:
            continue
        name = file.name if isinstance(file, Path) else f"part-{uuid4()}.parquet"
        path = name if shard is None else f"{SHARD}={shard}/{name}"
        if isinstance(file, Path):
            _link(file, Path(snapshot.uri) / path)
        else:
            (Path(snapshot.uri) / path).parent.mkdir(exist_ok=True)
            (Path(snapshot.uri) / path).write_bytes(file)
        added.append(_action(Path(snapshot.uri), path, shard))
    is_sharded = SHARD in snapshot.schema.names
    snapshot.table.create_write_transaction(
        added,
        mode="overwrite" if replaced else "append",  # nothing appended: a commit of records alone
        schema=snapshot.schema,
        partition_by=[SHARD] if is_sharded else None,
        partition_filters=[(SHARD, "in", replaced)] if is_sharded and replaced else None,
        commit_properties=CommitProperties(custom_metadata={RECORD: dict(record)}, max_commit_retries=0),
    )


def read_checked(snapshot: Snapshot, shard: str | None) -> pa.Table:
    """Rows of a partition, as `Snapshot.read`, for those who trust nothing: texts are UTF-8, and offsets lie within the values.

    Raises:
        LakeError: they are not, or cannot be read.
    """
    rows = snapshot.read(shard)
    with reading(f"{snapshot.uri}, shard {shard!r}"):
        rows.validate(full=True)
    return rows


def open_frozen(uri: str) -> Snapshot:
    """A frozen table as it is on disk now, whatever this process has read of it before.

    Raises:
        LakeError: there is no such table, or its log is damaged.
    """
    try:
        found = load_snapshot(uri, None)
    except Exception as error:  # the edge: a damaged log fails in many ways, and all are one finding
        raise LakeError(f"the log of the table {uri} is damaged: {type(error).__name__} {error}") from error
    if found is None:
        raise LakeError(f"no table at {uri}")
    return found
