"""Removes samples from what Dagster has stored of past runs: metadata, pictures and log lines in the files of DAGSTER_HOME.

Only the default storages are covered: SQLite files and compute logs below the home. Of another one `redact_events` says so.
"""

import os
import sqlite3
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import yaml

from curation_assets.errors import ArgumentError, LakeError
from resources.byte_scan import scan
from resources.event_redaction import REMOVED, Redactor
from resources.needles import Needle
from resources.sqlite_cells import BUSY_S, SQLITE_MAGIC, quoted

_LOGS = (".out", ".err", ".log")
_STORAGES = ("storage", "run_storage", "event_log_storage", "schedule_storage", "compute_logs", "local_artifact_storage")
_LOCAL_LOGS = "LocalComputeLogManager"


@dataclass(frozen=True)
class Redacted:
    """What was changed.

    Args:
        events: stored values and log lines that held something; an event that Dagster stores twice counts twice.
        files: files that were rewritten, also those of which only free pages held something.
        uncovered: storages that were not looked into and why; empty where there are none.
    """

    events: int
    files: int
    uncovered: str


def redact_events(home: Path, uids: Sequence[str], needles: Sequence[Needle]) -> Redacted:
    """Removes samples from every SQLite file and compute log below a DAGSTER_HOME.

    Metadata entries that hold a sample become the text "removed by a takedown", and so do the pictures of the same event.
    Events stay readable for Dagster. Databases are compacted, so that no free page and no write-ahead log keeps the bytes.
    Nothing is written where nothing is found; after a kill it can be run again. Runs that go on meanwhile may wait or fail.

    Args:
        home: the folder with dagster.yaml.
        uids: 32 hex digits each.
        needles: what else must be nowhere: captions, URLs, digests.

    Raises:
        ArgumentError: a uid is none, or the folder does not exist.
        LakeError: a database is in use for too long or damaged; what was done before it stays done.
    """
    if not home.is_dir():
        raise ArgumentError(f"there is no DAGSTER_HOME {home}; name the folder that holds dagster.yaml")
    wanted = [*(_uid_needle(uid) for uid in uids), *needles]
    redactor = Redactor(wanted)
    events = files = 0
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        try:
            changed = _redact_file(path, home, redactor, wanted)
        except sqlite3.Error as error:
            raise LakeError(
                f"the Dagster database {path} cannot be cleaned: {error}. Stop `dagster dev`, the daemon and all runs that use "
                f"{home}, then run this again; what was cleaned already stays so"
            ) from error
        except OSError as error:
            raise LakeError(
                f"{path} cannot be cleaned: {error.strerror or error}; give this user the right to write it"
            ) from error
        if changed is not None:
            events += changed
            files += 1
    return Redacted(events, files, _uncovered(home))


def _uid_needle(uid: str) -> Needle:
    try:
        return Needle("uid", bytes.fromhex(uid))
    except (ValueError, ArgumentError) as error:
        raise ArgumentError(f"{uid!r} is no uid; a uid is 32 hex digits") from error


def _redact_file(path: Path, home: Path, redactor: Redactor, needles: Sequence[Needle]) -> int | None:
    """Number of values or lines changed in one file; None where the file was left alone."""
    with path.open("rb") as file:
        is_database = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    if is_database:
        return _redact_database(path, redactor, needles)
    is_log = path.suffix in _LOGS and home / "storage" in path.parents
    return _redact_log(path, redactor, needles) if is_log and scan([path], needles).hits else None


def _redact_database(path: Path, redactor: Redactor, needles: Sequence[Needle]) -> int | None:
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        connection.text_factory = bytes
        connection.execute("PRAGMA secure_delete = ON")
        changes = _changes(connection, redactor)
        if changes:
            _apply(connection, changes, redactor)
        elif not _is_left_behind(path, needles):
            return None
        _compact(connection)
    return len(changes)


_Change = tuple[str, str, int]


def _changes(connection: sqlite3.Connection, redactor: Redactor) -> list[_Change]:
    """Table, column and row of every text that holds a needle."""
    found = []
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for table in [name.decode() for (name,) in names]:
        for column in [row[1].decode() for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]:
            is_text = f"typeof({quoted(column)}) = 'text' AND length({quoted(column)}) > 2"
            rows = connection.execute(f"SELECT rowid, {quoted(column)} FROM {quoted(table)} WHERE {is_text}")
            found += [(table, column, row) for row, text in rows if redactor.redacted(text, column) != text]
    return found


def _apply(connection: sqlite3.Connection, changes: Collection[_Change], redactor: Redactor) -> None:
    """Rewrites the texts in one transaction, each as it is by then."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table, column, row in changes:
            at = f"FROM {quoted(table)} WHERE rowid = ?"
            for (text,) in connection.execute(f"SELECT {quoted(column)} {at}", (row,)).fetchall():
                update = f"UPDATE {quoted(table)} SET {quoted(column)} = ? WHERE rowid = ?"
                connection.execute(update, (redactor.redacted(text, column).decode(), row))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _is_left_behind(path: Path, needles: Sequence[Needle]) -> bool:
    """Whether free pages or the log hold what no row holds, as after a kill between two steps."""
    long = [needle for needle in needles if not needle.is_whole_only]
    beside = [path.with_name(path.name + ending) for ending in ("-wal", "-journal")]
    return bool(scan([path, *(file for file in beside if file.exists())], long).hits)


def _compact(connection: sqlite3.Connection) -> None:
    """Leaves nothing of what was deleted: first in the log, then in free pages, then in the log of that."""
    for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        result = connection.execute(statement).fetchone()
        if result and result[0]:
            raise sqlite3.OperationalError("another process reads the write-ahead log, so it cannot be emptied")


def _redact_log(path: Path, redactor: Redactor, needles: Sequence[Needle]) -> int:
    """Replaces the lines of a log that hold a needle; the whole log if one reaches over several lines."""
    removed = 0
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as target, path.open("rb") as source:
            os.fchmod(number, os.fstat(source.fileno()).st_mode & 0o7777)
            for line in source:
                is_held = redactor.holds(line)
                removed += is_held
                target.write(REMOVED.encode() + b"\n" if is_held else line)
            target.flush()
            os.fsync(number)
        if scan([Path(name)], needles).hits:
            removed += 1
            Path(name).write_bytes(REMOVED.encode() + b"\n")
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return removed


def _uncovered(home: Path) -> str:
    """Which storages of dagster.yaml lie elsewhere."""
    path = home / "dagster.yaml"
    if not path.is_file():
        return ""
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return f"{path} cannot be read, so nobody knows where Dagster stores its events: {error}"
    config = read if isinstance(read, dict) else {}
    elsewhere = [name for name in _STORAGES if name in config and not _is_below(config[name], home)]
    if not elsewhere:
        return ""
    return f"{path} configures {', '.join(elsewhere)}, which may lie outside {home}: nothing was removed there, do it by hand"


def _is_below(config: object, home: Path) -> bool:
    """Whether the configuration of a storage names SQLite files or logs below the home, and nothing else."""
    if not isinstance(config, Mapping):
        return False
    if set(config) == {"sqlite"}:
        folder = config["sqlite"].get("base_dir") if isinstance(config["sqlite"], Mapping) else None
        return isinstance(folder, str) and _is_inside(folder, home)
    name, settings = str(config.get("class", "")), config.get("config")
    is_local = name.endswith(("SqliteRunStorage", "SqliteEventLogStorage", "SqliteScheduleStorage", "LocalArtifactStorage"))
    is_local |= name in (_LOCAL_LOGS, "NoOpComputeLogManager", "DagsterSqliteStorage")
    folder = settings.get("base_dir") if isinstance(settings, Mapping) else None
    return name == "NoOpComputeLogManager" or (is_local and isinstance(folder, str) and _is_inside(folder, home))


def _is_inside(folder: str, home: Path) -> bool:
    return Path(folder).resolve().is_relative_to(home.resolve())
