"""Stored features: the `.npz` beside a shard of DataComp, one array per model and modality, a row per row of the shard.

Arrays are read straight from the zip archive with NumPy's format reader, which never unpickles and never believes a header
that the archive's own sizes contradict.
"""

import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from curation_assets.errors import PoolError

# Longer than any published image-text model's; a row that is longer is a mistake, or meant to fill the memory.
MAX_ROW_VALUES = 16_384
_BLOCK_ROWS = 8192  # rows brought to float64 at once
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Features(NamedTuple):
    """Unit vectors, float32 (n, d), and per row None or why its vector is zero."""

    vectors: np.ndarray
    faults: list[str | None]


def feature_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every array of a file by name; reads headers, no values.

    Raises:
        PoolError: it cannot be read, is no archive, or holds anything that is not a plain array of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {member.filename.removesuffix(".npy"): _shape(archive, member) for member in archive.infolist()}
    except OSError as error:
        raise PoolError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except _FAULTS as error:
        raise PoolError(f"{path.name} is no file of features: {error}") from error


def check_features(path: Path, rows: int, *, is_thorough: bool) -> None:
    """Raises unless every array of a file has so many rows; a thorough check reads every value.

    Raises:
        PoolError: an array has another number of rows, or the file is damaged.
    """
    shapes = feature_shapes(path)
    wrong = {name: shape for name, shape in shapes.items() if shape[:1] != (rows,)}
    if wrong:
        name, shape = next(iter(wrong.items()))
        raise PoolError(f"{path.name}: {name} has shape {shape}, the parquet has {rows} rows; they must be row-aligned")
    for name in shapes if is_thorough else ():
        _array(path, name)


def unit_features(path: Path, name: str, rows: np.ndarray) -> Features:
    """Features of some rows, brought to L2 norm 1.

    Args:
        path: the archive.
        name: array in it, such as `l14_img`.
        rows: positions in the array, int64, shape (n,).

    Returns:
        A vector that is zero or not finite stays zero and has a fault.

    Raises:
        PoolError: there is no such array, it is no matrix of floats, has too few rows, or the file is damaged.
    """
    matrix = _array(path, name)
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or (len(rows) and rows.max() >= len(matrix)):
        raise PoolError(
            f"{path.name}: {name} is {matrix.dtype} of shape {matrix.shape}; features are a float matrix with a row for each "
            "row of the shard"
        )
    features = Features(np.zeros((len(rows), matrix.shape[1]), np.float32), [])
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = matrix[rows[start : start + _BLOCK_ROWS]].astype(np.float64)
        is_finite = np.isfinite(block).all(axis=1)
        block[~is_finite] = 0
        norms = np.linalg.norm(block, axis=1)
        np.divide(block, norms[:, None], out=block, where=norms[:, None] > 0)
        features.vectors[start : start + len(block)] = block
        features.faults.extend(
            None if norm > 0 else f"{name} is zero" if finite else f"{name} is not finite"
            for norm, finite in zip(norms, is_finite, strict=True)
        )
    return features


def _shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
    """Shape of one array by its header, which must agree with the size that the archive states."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename} has array format {version}")
        shape, _, dtype = _HEADERS[version](file)
        header_bytes = file.tell()
    if dtype.kind not in "fiub":
        raise ValueError(f"{member.filename} holds {dtype}, not numbers; objects are never unpickled")
    values = int(np.prod(shape[1:], dtype=object)) if shape else 0
    if not 0 < values <= MAX_ROW_VALUES or header_bytes + shape[0] * values * dtype.itemsize != member.file_size:
        raise ValueError(f"{member.filename} of {member.file_size} bytes says shape {shape} of {dtype}")
    return shape


def _array(path: Path, name: str) -> np.ndarray:
    shapes = feature_shapes(path)
    if name not in shapes:
        raise PoolError(f"{path.name} has no features {name!r}; known: {', '.join(shapes)}")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, *_FAULTS) as error:
        raise PoolError(f"{path.name}: {name} cannot be read: {error}") from error


# What zipfile, zlib and NumPy raise for damaged bytes: NotImplementedError for an unknown compression, RuntimeError for
# encryption, EOFError and ValueError for a short or malformed array.
_FAULTS = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, OverflowError)
