"""Proof that something is nowhere: every file under some folders is read and searched, also inside compressed files.

What is searched for, and in which spellings, is in needles.py. Not seen are: a text cut short or changed (other case, other
spaces), a part of a picture, and what is compressed or encoded in a way not named in `scan` (base64, bzip2, a zip in a zip).
"""

import gzip
import os
import sqlite3
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from curation_assets.errors import LakeError
from resources.needle_index import NeedleIndex
from resources.needles import Needle
from resources.parquet_cells import find_in_parquet
from resources.sqlite_cells import SQLITE_MAGIC, find_in_sqlite

__all__ = ["Hit", "Needle", "ScanReport", "scan"]

BLOCK_BYTES = 16 << 20
_CONTENT_ERRORS = (
    pa.ArrowException,
    zlib.error,
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    sqlite3.Error,
)


@dataclass(frozen=True)
class Hit:
    """A needle that was found; never what it is, only its place among those given."""

    path: Path
    kind: str
    index: int


@dataclass(frozen=True)
class ScanReport:
    """What was read and what was found there: hits in order of path and needle, one per file and needle."""

    files: int
    bytes: int
    hits: tuple[Hit, ...]


def scan(roots: Sequence[Path], needles: Sequence[Needle], skip: Collection[Path] = ()) -> ScanReport:
    """Searches every file under the roots for every needle.

    All files: their bytes. Besides, by what a file begins with: the cells of parquet (text, binary, lists of these, and
    <x>_hi with <x>_lo as a uid), of SQLite (a long value lies in pieces in its file), and what gzip and zip files unpack to.
    A text or URL below 12 bytes counts only as a whole cell of parquet or SQLite, or as a whole quoted string of JSON. Files
    that are one by hard links are read once and named each. Memory: 16 MiB and the longest spelling, some times over.

    Args:
        roots: folders, or files. Links to folders are not followed; sockets, pipes and dangling links hold nothing.
        needles: what must be nowhere.
        skip: files, or folders with all that is in them.

    Returns:
        The number of files and the bytes read from disk, hard links once.

    Raises:
        LakeError: a root does not exist, or a file cannot be read or unpacked, so that nothing is proved.
    """
    index = NeedleIndex(needles)
    short = [(i, n.value) for i, n in enumerate(needles) if n.is_whole_only and n.value]
    pairs = [(i, n.value) for i, n in enumerate(needles) if n.kind == "uid"]
    known: dict[tuple[int, int], np.ndarray] = {}
    files = size = 0
    hits = []
    for path in _files(roots, {_absolute(path) for path in skip}):
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                files += 1
                if identity not in known:
                    found = np.zeros(index.count, bool)
                    size += _find(file, index, found)
                    _find_packed(path, index, found, (short, pairs))
                    if status.st_nlink > 1:
                        known[identity] = found
                else:
                    found = known[identity]
        except OSError as error:
            raise LakeError(_unread(path, error.strerror or str(error))) from error
        except _CONTENT_ERRORS as error:
            raise LakeError(_unread(path, str(error)[:200])) from error
        hits += [Hit(path, needles[i].kind, i) for i in np.flatnonzero(found).tolist()]
    return ScanReport(files, size, tuple(hits))


def _unread(path: Path, why: str) -> str:
    return (
        f"{path} cannot be searched: {why}; nothing is proved until every file can be. Make it readable for this user, wait "
        "for what is writing it, or remove it if it is damaged"
    )


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _files(roots: Sequence[Path], skip: Collection[Path]) -> Iterator[Path]:
    """Regular files under the roots, in order of name."""

    def refuse(error: OSError) -> None:
        raise LakeError(_unread(Path(error.filename), error.strerror or str(error))) from error

    for root in roots:
        if not root.exists():
            raise LakeError(f"there is no folder or file {root} to search; check the path")
        if _absolute(root) in skip:
            continue
        if not root.is_dir():
            yield root
            continue
        for folder, folders, names in os.walk(root, onerror=refuse):
            folders[:] = sorted(name for name in folders if _absolute(Path(folder, name)) not in skip)
            for path in (Path(folder, name) for name in sorted(names)):
                if _absolute(path) not in skip and _is_regular(path):
                    yield path


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:  # a link to nothing; a file that was removed just now fails when it is opened
        return not path.is_symlink()
    except OSError as error:
        raise LakeError(_unread(path, error.strerror or str(error))) from error


def _find(file: BinaryIO, index: NeedleIndex, found: np.ndarray) -> int:
    """Searches a stream in blocks that overlap by the longest spelling; returns its bytes."""
    block_bytes = max(BLOCK_BYTES, 2 * index.longest)
    size, rest = 0, b""
    while block := file.read(block_bytes):
        size += len(block)
        content = rest + block
        index.find(content, found)
        rest = content[max(0, len(content) - index.longest + 1) :]
    return size


def _find_packed(
    path: Path, index: NeedleIndex, found: np.ndarray, whole: tuple[Sequence[tuple[int, bytes]], Sequence[tuple[int, bytes]]]
) -> None:
    """Searches what a file holds in another form than its bytes, if its first bytes say that it does."""
    with path.open("rb") as file:
        magic = file.read(16)
    if magic.startswith(b"PAR1") or path.suffix == ".parquet":
        find_in_parquet(path, index, found, whole)
    elif magic.startswith(b"\x1f\x8b"):
        with gzip.open(path) as unpacked:
            _find(unpacked, index, found)
    elif magic.startswith((b"PK\3\4", b"PK\5\6")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.infolist():
                with archive.open(name) as unpacked:
                    _find(unpacked, index, found)
    elif magic == SQLITE_MAGIC:
        find_in_sqlite(path, index, found, whole[0])
