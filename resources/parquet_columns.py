"""Columns of a parquet file that others wrote: read with faults that name the file, and trusted in nothing but their type."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation_assets.errors import PoolError


def read_columns(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> pa.Table:
    """Columns of a parquet file: all that are needed, and those of the others that it has.

    Raises:
        PoolError: it cannot be read, is no parquet, or lacks a needed column.
    """
    try:
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            return file.read(columns=_present(path, file.schema_arrow.names, needed, optional))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def column_batches(path: Path, needed: tuple[str, ...], optional: tuple[str, ...], *, batch_rows: int) -> Iterator[pa.Table]:
    """The same columns, so many rows at a time.

    Raises:
        PoolError: as `read_columns`.
    """
    try:
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            columns = _present(path, file.schema_arrow.names, needed, optional)
            for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _present(path: Path, names: list[str], needed: tuple[str, ...], optional: tuple[str, ...]) -> list[str]:
    wanted = [name for name in (*needed, *optional) if name in names]
    twice = sorted(name for name in wanted if names.count(name) > 1)
    missing = [name for name in needed if name not in names]
    if missing or twice:
        fault = f"has no column {missing[0]!r}" if missing else f"has column {twice[0]!r} twice"
        raise PoolError(f"{path.name} {fault}; its columns: {', '.join(names)}")
    return wanted


def _unreadable(path: Path, error: Exception) -> PoolError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return PoolError(f"{path.name} is not a parquet file that can be read: {reason}"[:400])


def texts_of(path: Path, table: pa.Table, name: str) -> list[bytes | None]:
    """A column of texts as bytes, which may be no UTF-8: nothing has checked that; None for each row where it is missing.

    Raises:
        PoolError: it is of another type.
    """
    if name not in table.column_names:
        return [None] * len(table)
    kind = table[name].type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise PoolError(f"{path.name}: column {name!r} is {kind}, expected text")
    return table[name].cast(pa.large_binary()).to_pylist()


def numbers_of(path: Path, table: pa.Table, name: str) -> np.ndarray:
    """A column of numbers as float64, NaN where there is none.

    Raises:
        PoolError: it is of another type.
    """
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    kind = table[name].type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise PoolError(f"{path.name}: column {name!r} is {kind}, expected numbers")
    return pc.cast(table[name], pa.float64(), safe=False).to_numpy()
