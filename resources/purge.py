"""Removal of what a local Delta table keeps of rows that it no longer has: old files, and their statistics in the log."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from curation_assets.errors import LakeError

_LOG = "_delta_log"


@dataclass(frozen=True)
class Purged:
    """What was removed of a table: data files, entries of the log that lost their statistics, and checkpoints."""

    files: int
    entries: int
    checkpoints: int


def purge_table(path: Path) -> Purged:
    """Leave a table with the files of its newest version and statistics of those alone.

    Older versions can no longer be read; the commits, with what they recorded, stay. May be interrupted and repeated.
    Nobody may write to the table meanwhile.

    Raises:
        LakeError: other tables lie below this one's folder, whose files would be taken for its leftovers.
    """
    nested = [folder for folder, inner, _ in os.walk(path) if _LOG in inner and Path(folder) != path]
    if nested:
        raise LakeError(
            f"{path} cannot be cleaned: the tables {', '.join(sorted(nested)[:5])} lie below its folder; move them elsewhere"
        )
    table = DeltaTable(str(path))
    live = set(pa.table(table.get_add_actions(flatten=True))["path"].to_pylist())
    files = _delete_files(path, {_on_disk(path, name) for name in live})
    log = path / _LOG
    entries = sum(_strip(entry, live) for entry in sorted(log.glob("*.json")))
    table.create_checkpoint()
    checkpoints = _delete_checkpoints(log)
    return Purged(files, entries, checkpoints)


def _on_disk(path: Path, name: str) -> str:
    """A live file's path below the table's folder; in the log, letters that URLs do not allow are escaped.

    Raises:
        LakeError: there is no such file.
    """
    for candidate in (name, unquote(name)):
        if (path / candidate).is_file():
            return candidate
    raise LakeError(f"{path} lacks its file {name}; nothing of this table is deleted; restore the lake from a copy")


def _delete_files(path: Path, live: set[str]) -> int:
    """Delete every parquet file of a table that is not among the live ones; what else lies there is none of the table's."""
    count = 0
    for folder, inner, names in os.walk(path):
        if Path(folder) == path and _LOG in inner:
            inner.remove(_LOG)
        for name in names:
            file = Path(folder) / name
            if name.endswith(".parquet") and file.relative_to(path).as_posix() not in live:
                file.unlink()
                count += 1
    return count


def _strip(entry: Path, live: set[str]) -> int:
    """Take the statistics of files that are gone out of a log entry; how many there were."""
    lines, count = [], 0
    for line in entry.read_text(encoding="utf-8").splitlines():
        action = json.loads(line)
        for kind in ("add", "remove"):
            file = action.get(kind)
            if isinstance(file, Mapping) and file.get("stats") and (kind == "remove" or file["path"] not in live):
                action = {**action, kind: {name: value for name, value in file.items() if name != "stats"}}
                count += 1
        lines.append(json.dumps(action, separators=(",", ":"), ensure_ascii=False))
    if count:
        temporary = entry.with_name(f".{entry.name}.tmp")
        with temporary.open("w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, entry)
    return count


def _delete_checkpoints(log: Path) -> int:
    """Delete all checkpoints but the newest, and what interrupted writers left."""
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))
    newest = checkpoints[-1].name.partition(".")[0] if checkpoints else ""
    old = [file for file in checkpoints if file.name.partition(".")[0] != newest]
    leftovers = [*log.glob("_commit_*"), *log.glob(".*.tmp")]
    for file in [*old, *leftovers]:
        file.unlink(missing_ok=True)
    return len(old)
