"""The values of an SQLite database searched for needles: a long value lies in pieces in the file, so bytes are not enough."""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resources.needle_index import NeedleIndex

SQLITE_MAGIC = b"SQLite format 3\0"
BUSY_S = 30.0
_ROWS = 256


def find_in_sqlite(path: Path, index: NeedleIndex, found: np.ndarray, short: Sequence[tuple[int, bytes]]) -> None:
    """Searches every text and blob of a database, with what other processes have committed to its log.

    Blobs that are zlib streams, as Dagster stores its snapshots, are searched unpacked, too.

    Args:
        path: the database; it is opened for reading only.
        index: strings looked for inside of values.
        found: bool, shape (needles,); found[i] is set for every needle i that stands in a value.
        short: texts that count as a whole value only, each with the number of its needle.

    Raises:
        sqlite3.Error: the database is damaged, or locked for longer than `BUSY_S` seconds.
    """
    by_value: dict[bytes, list[int]] = {}
    for i, value in short:
        by_value.setdefault(value, []).append(i)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{_mode(path)}", uri=True, timeout=BUSY_S)
    try:
        connection.text_factory = bytes
        tables = [name.decode() for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f"SELECT * FROM {quoted(table)}")
            while some := rows.fetchmany(_ROWS):
                values = [value for row in some for value in row if isinstance(value, bytes) and value]
                values += [unpacked for value in values if (unpacked := _unpacked(value))]
                index.find(b"".join(values), found, np.cumsum([0, *map(len, values)]))
                found[[i for value in values for i in by_value.get(value, ())]] = True
    finally:
        connection.close()


def quoted(name: str) -> str:
    """A table's or column's name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _mode(path: Path) -> str:
    """How to open it so that nothing is written next to it.

    In a database with a write-ahead log (2 at byte 18) that nobody has open there is no log; then it stands still, and it
    can be read without making one.
    """
    with path.open("rb") as file:
        is_logged = file.read(20)[18:19] == b"\2"
    return "immutable=1" if is_logged and not path.with_name(path.name + "-wal").exists() else "mode=ro"


def _unpacked(value: bytes) -> bytes:
    """What a zlib stream unpacks to; empty where the value is none."""
    if value[:1] != b"x" or len(value) < 8 or int.from_bytes(value[:2], "big") % 31:
        return b""
    try:
        return zlib.decompress(value)
    except zlib.error:
        return b""
