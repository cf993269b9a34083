"""Rows of a Delta table that have a uid or a row number, read from the row groups that can hold it alone."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .snapshot import Snapshot, reading

# Without statistics anything may be in a group.
_ANYTHING = (int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max))


class _Footer:
    """A parquet file's footer, and the smallest and largest value of a column of whole numbers in each row group, int64."""

    def __init__(self, metadata: pq.FileMetaData, column: str) -> None:
        self.metadata = metadata
        names = [self.metadata.schema.column(i).name for i in range(self.metadata.num_columns)]
        at = names.index(column)
        groups = [self.metadata.row_group(i).column(at).statistics for i in range(self.metadata.num_row_groups)]
        bounds = [(s.min, s.max) if s is not None and s.has_min_max else _ANYTHING for s in groups]
        self.smallest, self.largest = np.array(bounds, np.int64).reshape(-1, 2).T

    def groups(self, value: int) -> list[int]:
        return np.flatnonzero((self.smallest <= value) & (value <= self.largest)).tolist()


def find_uid(snapshot: Snapshot, shard: str | None, uid: tuple[int, int], columns: list[str]) -> pa.Table:
    """Columns of the rows of a partition that have a uid, high and low half as stored.

    Raises:
        LakeError: a file of the partition is gone or damaged.
    """
    uid_hi, uid_lo = uid
    if snapshot.stamp is None:
        rows = snapshot.read(shard, [*dict.fromkeys(["uid_hi", "uid_lo", *columns])])
        return rows.filter((pc.field("uid_hi") == uid_hi) & (pc.field("uid_lo") == uid_lo)).select(columns)
    parts = [_find(str(Path(snapshot.uri) / path), uid_hi, uid_lo, columns) for path in snapshot.files.get(shard, [])]
    schema = pa.schema([snapshot.schema.field(name) for name in columns])
    return pa.concat_tables([part.cast(schema) for part in parts if part is not None] or [schema.empty_table()])


def holds_row(snapshot: Snapshot, shard: str | None, row: int) -> bool:
    """Whether a partition has a row of that number.

    Raises:
        LakeError: a file of the partition is gone or damaged.
    """
    if snapshot.stamp is None:
        return row in snapshot.read(shard, ["row"])["row"].to_numpy()
    return any(_holds(str(Path(snapshot.uri) / path), row) for path in snapshot.files.get(shard, []))


def uid_range(snapshot: Snapshot, shard: str | None) -> tuple[int, int] | None:
    """Smallest and largest uid_hi of a partition, as stored (signed); None if it has no rows, or is not on a local disk.

    Raises:
        LakeError: a file of the partition is gone or damaged.
    """
    paths = [str(Path(snapshot.uri) / path) for path in snapshot.files.get(shard, []) if snapshot.stamp is not None]
    footers = [_footer(path, "uid_hi") for path in paths]
    bounds = [(int(f.smallest.min()), int(f.largest.max())) for f in footers if len(f.smallest)]
    return (min(low for low, _ in bounds), max(high for _, high in bounds)) if bounds else None


def wrong_bounds(path: Path) -> list[tuple[str, int, tuple[int, int], tuple[int, int]]]:
    """Where a data file's statistics are not those of its rows, so that a lookup would pass over some.

    Returns:
        Column, row group, smallest and largest value by the statistics, and those of the rows.

    Raises:
        LakeError: the file is gone or damaged.
    """
    wrong = []
    with reading(path), pq.ParquetFile(path) as file:
        for column in [name for name in ("row", "uid_hi") if name in file.schema_arrow.names]:
            footer = _Footer(file.metadata, column)
            for group, stated in enumerate(zip(footer.smallest.tolist(), footer.largest.tolist(), strict=True)):
                values = file.read_row_group(group, columns=[column], use_threads=False)[column].drop_null().to_numpy()
                actual = (int(values.min()), int(values.max())) if len(values) else stated
                if stated not in (actual, _ANYTHING):
                    wrong.append((column, group, stated, actual))
    return wrong


def _find(path: str, uid_hi: int, uid_lo: int, columns: list[str]) -> pa.Table | None:
    footer = _footer(path, "uid_hi")
    groups = footer.groups(uid_hi)
    if not groups:
        return None
    found = []
    with reading(path), pq.ParquetFile(path, metadata=footer.metadata) as file:
        for group in groups:
            high = file.read_row_group(group, columns=["uid_hi"], use_threads=False)["uid_hi"].to_numpy()
            at = np.flatnonzero(high == uid_hi)
            if len(at):
                names = [*dict.fromkeys(["uid_lo", *columns])]
                rows = file.read_row_group(group, columns=names, use_threads=False).take(pa.array(at))
                found.append(rows.filter(pa.array(rows["uid_lo"].to_numpy() == uid_lo)).select(columns))
    return pa.concat_tables(found) if found else None


def _holds(path: str, row: int) -> bool:
    footer = _footer(path, "row")
    with reading(path), pq.ParquetFile(path, metadata=footer.metadata) as file:
        groups = (file.read_row_group(group, columns=["row"], use_threads=False) for group in footer.groups(row))
        return any(row in group["row"].to_numpy() for group in groups)


@lru_cache(maxsize=4096)
def _kept_footer(path: str, column: str, inode: int, changed_ns: int) -> _Footer:
    with pq.ParquetFile(path) as file:
        return _Footer(file.metadata, column)


def _footer(path: str, column: str) -> _Footer:
    """The footer of a file, read once as long as the file is the same; some kB each."""
    with reading(path):
        status = Path(path).stat()
        return _kept_footer(path, column, status.st_ino, status.st_mtime_ns)
