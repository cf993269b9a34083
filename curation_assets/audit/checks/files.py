"""A table's files: those that its log names are there and whole, and there are no others."""

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote

from curation_assets.audit.invariants import AuditFinding, Spot
from resources.stored_files import StoredFile


def file_findings(table: str, files: Collection[StoredFile], on_disk: Mapping[str, int]) -> Iterator[AuditFinding]:
    """Live files that are missing or have another size, by path below the table."""
    for file in files:
        path, spot = stored_path(file, on_disk), Spot(table, file.shard or "")
        if path not in on_disk:
            yield spot.breach("missing_file", file.path, f"{file.size} bytes", "no such file")
        elif file.size is not None and on_disk[path] != file.size:
            yield spot.breach("file_size", file.path, f"{file.size} bytes", f"{on_disk[path]} bytes")
        folder = file.path.rpartition("/")[0]
        if file.shard is not None and unquote(folder) != f"shard={file.shard}":
            yield spot.breach("partition", file.path, f"the folder shard={file.shard}", f"the folder {folder!r}")


def orphan_findings(table: str, on_disk: Mapping[str, int], logged: Collection[str]) -> Iterator[AuditFinding]:
    """Files of a table's folder that no entry of its log mentions."""
    for path in sorted(on_disk):
        if path not in logged and unquote(path) not in logged:
            yield Spot(table).warning("orphan_file", path, "an entry in the log", f"none; {on_disk[path]} bytes")


def partition_file_findings(table: str, files: Collection[StoredFile]) -> Iterator[AuditFinding]:
    """Partitions of more than one file."""
    counts: dict[str | None, int] = {}
    for file in files:
        counts[file.shard] = counts.get(file.shard, 0) + 1
    for shard, count in counts.items():
        if count > 1:
            yield Spot(table, shard or "").breach("partition_files", "", "one file", f"{count} files")


def stored_path(file: StoredFile, on_disk: Collection[str]) -> str:
    """A live file's path as it is on disk: the log may have it with % escapes."""
    return file.path if file.path in on_disk else unquote(file.path)
