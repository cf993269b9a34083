"""Files that were exported into a lake's folder, without the samples that go."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .matching import uids_among

_PAIRS = np.dtype([("f0", "<u8"), ("f1", "<u8")])


def exported_files(root: Path, skip: Collection[Path]) -> Iterator[Path]:
    """Files below a lake's folder that could name uids and belong to no table: `.npy`, and `.parquet`."""
    for folder, inner, names in os.walk(root):
        if "_delta_log" in inner:
            inner[:] = [name for name in inner if "=" not in name and name != "_delta_log"]
            names = [name for name in names if name.endswith(".npy")]  # its parquet files are the table's
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix in (".npy", ".parquet") and not path.is_symlink() and path.resolve() not in skip:
                yield path


def count_in(path: Path, uids: set[str]) -> int:
    """How many rows of an exported file belong to some uids, given as hex digits; 0 for a file that is no export."""
    try:
        found = _hits(path, uids)
    except (OSError, ValueError, pa.ArrowException):  # no such file after all; the proof reads its bytes
        return 0
    return 0 if found is None else int(found.sum())


def remove_from(path: Path, uids: set[str]) -> int:
    """Rewrite an exported file without some uids, whole or not at all; how many rows went."""
    count = count_in(path, uids)
    found = _hits(path, uids) if count else None
    if found is None:
        return 0
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.suffix == ".npy":
            with temporary.open("wb") as file:
                np.save(file, np.load(path, mmap_mode="r")[~found])
        else:
            pq.write_table(pq.read_table(path).filter(pa.array(~found)), temporary, compression="zstd")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _hits(path: Path, uids: set[str]) -> np.ndarray | None:
    """Where an export has one of the uids; bool, shape (n,). None if the file is no export."""
    if path.suffix == ".npy":
        pairs = np.load(path, mmap_mode="r")
        if pairs.dtype != _PAIRS:
            return None
        return uids_among(pairs["f0"].astype(np.uint64).view(np.int64), pairs["f1"].astype(np.uint64).view(np.int64), uids)
    with pq.ParquetFile(path) as file:
        if "uid" not in file.schema_arrow.names or not pa.types.is_string(file.schema_arrow.field("uid").type):
            return None
        column = file.read(columns=["uid"])["uid"].to_pylist()
    return np.array([uid is not None and uid.lower() in uids for uid in column], bool)
