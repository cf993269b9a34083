"""One version of a Delta table: which files hold each shard, and what each partition was made from.

Rows and records of a snapshot belong to one version, so what is read is what its record says, whatever is written meanwhile.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from curation_assets.errors import LakeError

SHARD = "shard"
RECORD = "curation"
STAMP = ("delta_version", "written_at_ms")  # of a record: version of the table that wrote it, and when, since 1970 UTC
Records = dict[str | None, dict[str, object]]
# A commit that another writer overtook may name too few empty shards; it is among the newest few, which are always read.
_FEWEST_COMMITS = 20


@contextmanager
def reading(place: object, remedy: str = "curate audit says what else is wrong") -> Iterator[None]:
    """Whatever reading a file or a log says that it is damaged or gone is one error that names the place.

    Raises:
        LakeError: it is.
    """
    try:
        yield
    except (OSError, ValueError, pa.ArrowException, DeltaError) as error:
        raise LakeError(f"cannot read {place}: {str(error).strip()}; {remedy}") from error


@dataclass(frozen=True)
class Snapshot:
    """A table at one version.

    Args:
        uri: place of the table.
        version: version of the table.
        schema: columns in stored order and type.
        files: data files of each shard, None being the key of a table without shards.
        records: what each partition was last made from.
        stamp: identity of the log entry of this version, local tables only.
        table: the opened table.
    """

    uri: str
    version: int
    schema: pa.Schema
    files: Mapping[str | None, list[str]]
    records: Records
    stamp: tuple[int, int] | None
    table: DeltaTable = field(repr=False, compare=False)

    @property
    def shards(self) -> list[str]:
        """Shards that have at least one row, in alphabetical order."""
        return sorted(shard for shard in self.files if shard is not None)

    @property
    def is_newest(self) -> bool:
        """Whether a local table is still at this version, and still the same table; False where that costs a request."""
        if self.stamp is None:
            return False
        return _stamp(self.uri, self.version) == self.stamp and _stamp(self.uri, self.version + 1) is None

    def identity(self, shard: str | None) -> tuple[tuple[int, ...], ...]:
        """What the files of a partition of a local table are, whatever they are called: equal identities, equal bytes.

        Raises:
            LakeError: a file is gone.
        """
        with reading(f"{self.uri}, shard {shard!r}"):
            stats = [(Path(self.uri) / path).stat() for path in self.files.get(shard, [])]
        return tuple((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)

    def read(self, shard: str | None, columns: list[str] | None = None) -> pa.Table:
        """Rows of one shard, or of a table without shards, in ascending `row`.

        Raises:
            LakeError: a column is unknown, or a row number is stored twice.
        """
        unknown = [name for name in columns or [] if name not in self.schema.names]
        if unknown:
            raise LakeError(f"{self.uri} has no columns {unknown}; known: {self.schema.names}")
        wanted = self.schema.names if columns is None else columns
        stored = [name for name in dict.fromkeys([*wanted, "row"]) if name in self.schema.names and name != SHARD]
        parts = [self._read_file(path, stored) for path in self.files.get(shard, [])]
        empty = pa.schema([self.schema.field(name) for name in stored]).empty_table()
        rows = pa.concat_tables(parts) if parts else empty
        if not is_in_order(rows):
            rows = rows.sort_by("row")
            if not is_in_order(rows):
                raise LakeError(f"{self.uri}, shard {shard!r}: a row number is stored twice; rematerialize this shard")
        if SHARD in wanted:
            rows = rows.append_column(self.schema.field(SHARD), pa.repeat(shard or "", len(rows)))
        return rows.select(wanted)

    def _read_file(self, path: str, columns: list[str]) -> pa.Table:
        schema = pa.schema([self.schema.field(name) for name in columns])
        if self.stamp is not None:
            # Not through deltalake's own filesystem: with it a finished process can abort at exit (seen in 18 of 40 runs).
            with reading(Path(self.uri) / path, "materialize it again"):
                return pq.ParquetFile(Path(self.uri) / path).read(columns=columns).cast(schema)
        opened = self.table.to_pyarrow_dataset()
        fragment = next(f for f in opened.get_fragments() if f.path.endswith(path))
        return fragment.to_table(columns=columns).cast(schema)


def load_snapshot(uri: str, storage_options: dict[str, str] | None, previous: Snapshot | None = None) -> Snapshot | None:
    """The newest version of a table; None when there is no such table.

    Args:
        uri: place of the table.
        storage_options: credentials of an object store.
        previous: an older snapshot of the same table, whose records need not be read again.

    Raises:
        LakeError: the table's log cannot be read.
    """
    if previous is not None and previous.is_newest:
        return previous
    with reading(f"the log of {uri}"):
        try:
            table = DeltaTable(uri, storage_options=storage_options)
        except TableNotFoundError:
            return None
        files = _files(table)
        known = previous if previous is not None and _is_ancestor(previous, uri) else None
        return _snapshot(uri, table, files, _records(table, files.keys(), known))


def snapshot_at(uri: str, storage_options: dict[str, str] | None, version: int) -> Snapshot:
    """An older version of a table, for its rows; its records are left out.

    Raises:
        OSError: the version's log is no longer there.
    """
    table = DeltaTable(uri, version=version, storage_options=storage_options)
    return _snapshot(uri, table, _files(table), {})


def find_version(snapshot: Snapshot, shard: str | None, having: tuple[str, object]) -> int | None:
    """Newest version of a table that wrote a shard with a record in which a field has a value; None if there was none."""
    name, value = having
    for commit in snapshot.table.history():
        found = unfolded(commit).get(shard)
        if found is not None and found.get(name) == value:
            return int(commit["version"])
    return None


def folded(parts: Mapping[str | None, Mapping[str, object]], empty: Iterable[str], *, restarts: bool) -> dict[str, object]:
    """Records of the partitions of one commit as it stores them: what they share is said once."""
    records = list(parts.values())
    shared = {name: value for name, value in records[0].items() if all(r.get(name) == value for r in records[1:])}
    own = [[shard, {name: v for name, v in record.items() if name not in shared}] for shard, record in parts.items()]
    # Through JSON once, so that a value that Delta could not store fails here and not after the rows are written.
    return json.loads(json.dumps({"shared": shared, "partitions": own, "empty": sorted(empty), "restarts": restarts}))


def is_in_order(rows: pa.Table) -> bool:
    """Whether the column `row`, if there is one, ascends strictly."""
    if "row" not in rows.column_names or len(rows) < 2:
        return True
    row = rows.column("row").to_numpy()
    return bool((row[1:] > row[:-1]).all())


def _snapshot(uri: str, table: DeltaTable, files: dict[str | None, list[str]], records: Records) -> Snapshot:
    version = table.version()
    return Snapshot(uri, version, pa.schema(table.schema().to_arrow()), files, records, _stamp(uri, version), table)


def _files(table: DeltaTable) -> dict[str | None, list[str]]:
    actions = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    shards = actions.get(f"partition.{SHARD}", [None] * len(actions["path"]))
    files: dict[str | None, list[str]] = {}
    for path, shard in zip(actions["path"], shards, strict=True):
        files.setdefault(shard, []).append(path)
    return files


def unfolded(commit: Mapping[str, object]) -> Records:
    """Records of the partitions that a commit wrote; the inverse of `folded`."""
    kept = commit.get(RECORD)
    if not isinstance(kept, dict) or "partitions" not in kept:
        return {}
    # A frozen table's commit brings the stamps of the commits that its rows are from.
    stamp = dict(zip(STAMP, (commit["version"], commit["timestamp"]), strict=True))
    return {shard: {**stamp, **kept["shared"], **own} for shard, own in kept["partitions"]}


def _records(table: DeltaTable, with_rows: Iterable[str | None], previous: Snapshot | None) -> Records:
    """Newest record of each partition; goes back in time only until every shard that has a record has been met."""
    if previous is not None:
        commits = table.history(table.version() - previous.version) if table.version() > previous.version else []
        records, is_whole = _newest(commits)
        return records if is_whole else {**previous.records, **records}
    limit = _FEWEST_COMMITS
    while True:
        commits = table.history(limit)
        records, is_whole = _newest(commits)
        last = next((kept for c in commits if isinstance(kept := c.get(RECORD), dict) and "empty" in kept), {"empty": []})
        if is_whole or len(commits) < limit or {*with_rows, *last["empty"]} <= records.keys():
            return records
        limit *= 4


def _newest(commits: list[dict[str, object]]) -> tuple[Records, bool]:
    """Newest record of each partition in commits, newest first, and whether the table began anew among them."""
    found: Records = {}
    for commit in commits:
        found = {**unfolded(commit), **found}
        kept = commit.get(RECORD)
        if isinstance(kept, dict) and kept.get("restarts"):
            return found, True
    return found, False


def _is_ancestor(previous: Snapshot, uri: str) -> bool:
    return previous.stamp is not None and _stamp(uri, previous.version) == previous.stamp


def _stamp(uri: str, version: int) -> tuple[int, int] | None:
    """Identity of the log entry that made a version; None when there is none, or it is not on a local disk."""
    if "://" in uri:
        return None
    try:
        status = (Path(uri) / "_delta_log" / f"{version:020d}.json").stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
