"""Tables as they lie on disk, for those who trust nothing: any damage is an error with a message, whatever raised it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from curation_assets.errors import LakeError

from .snapshot import SHARD, Snapshot, load_snapshot

LOG = "_delta_log"


@dataclass(frozen=True)
class StoredFile:
    """A data file that the newest version of a table has: path below the table, partition, and size in bytes by the log."""

    path: str
    shard: str | None
    size: int | None


@dataclass(frozen=True)
class StoredTable:
    """A table that could be opened, and its data files."""

    snapshot: Snapshot
    files: tuple[StoredFile, ...]

    @property
    def is_sharded(self) -> bool:
        return SHARD in self.snapshot.schema.names

    @property
    def folder(self) -> Path:
        return Path(self.snapshot.uri)


@contextmanager
def damage(message: str) -> Iterator[None]:
    """Whatever goes wrong inside is a LakeError that begins with the message, but for the user's own interruptions.

    Raises:
        LakeError: anything went wrong.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of delta-rs is no Exception
        raise LakeError(f"{message}: {type(error).__name__}: {error}"[:400]) from error


def table_folders(root: Path) -> list[str]:
    """Folders below a root that have a Delta log, relative to it, in alphabetical order; links are not followed."""
    found = []
    for folder, inner, _ in os.walk(root):
        if LOG in inner:
            found.append(Path(folder).relative_to(root).as_posix())
            inner.remove(LOG)
    return sorted(found)


def open_stored(uri: str, storage_options: dict[str, str] | None = None) -> StoredTable:
    """Open a table of any origin.

    Raises:
        LakeError: there is none, or its log cannot be read.
    """
    with damage(f"cannot open the table {uri}"):
        found = load_snapshot(uri, storage_options)
        if found is not None:
            actions = pa.table(found.table.get_add_actions(flatten=True)).to_pydict()
            nothing = [None] * len(actions["path"])
            columns = (actions["path"], actions.get(f"partition.{SHARD}", nothing), actions.get("size_bytes", nothing))
            return StoredTable(found, tuple(StoredFile(*values) for values in zip(*columns, strict=True)))
    raise LakeError(f"cannot open the table {uri}: its log has no version")


def logged_paths(folder: Path) -> set[str]:
    """Data files that any entry of a table's log mentions, added or removed. What cannot be read mentions nothing."""
    paths: set[str] = set()
    for entry in sorted((folder / LOG).glob("*.json")):
        try:
            lines = entry.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        paths |= {path for line in lines for path in _paths_of(line)}
    return paths


def files_below(folder: Path) -> dict[str, int]:
    """Size of each file of a table by its path, without those of its log and those of tables inside it."""
    found = {}
    for at, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if name != LOG and LOG not in _names(Path(at) / name)]
        for name in files:
            path = Path(at) / name
            found[path.relative_to(folder).as_posix()] = path.lstat().st_size
    return found


def read_stored(table: StoredTable, paths: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of data files, one after the other as they lie there, in the stored types of the log, without the shard.

    Raises:
        LakeError: a file cannot be read, lacks a column, has one too many, or holds values that its type does not allow.
    """
    schema = pa.schema([field for field in table.snapshot.schema if field.name != SHARD])
    wanted = schema if columns is None else pa.schema([field for field in schema if field.name in columns])
    parts = [_read_file(table, path, schema, wanted) for path in paths]
    return pa.concat_tables(parts) if parts else wanted.empty_table()


def _read_file(table: StoredTable, path: str, schema: pa.Schema, wanted: pa.Schema) -> pa.Table:
    with damage(f"cannot read {path}"):
        if table.snapshot.stamp is None:
            opened = table.snapshot.table.to_pyarrow_dataset()
            fragment = next(f for f in opened.get_fragments() if f.path.endswith(path))
            rows = fragment.to_table(columns=wanted.names)
        else:
            with pq.ParquetFile(table.folder / path) as file:
                _require_columns(file.schema_arrow.names, schema.names)
                rows = file.read(columns=wanted.names)
        rows = rows.cast(wanted)
        rows.validate(full=True)  # offsets, and that texts are UTF-8
        return rows


def _require_columns(found: Sequence[str], logged: Sequence[str]) -> None:
    if sorted(found) != sorted(logged):
        raise LakeError(f"it has the columns {sorted(found)}, its log says {sorted(logged)}")


def _paths_of(line: str) -> Iterator[str]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return
    for action in ("add", "remove", "cdc"):
        found = entry.get(action) if isinstance(entry, Mapping) else None
        if isinstance(found, Mapping) and isinstance(found.get("path"), str):
            yield unquote(found["path"])


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
