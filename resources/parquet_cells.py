"""The cells of a parquet file that can hold a text, bytes or a uid, searched for needles whatever their compression."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resources.needle_index import NeedleIndex

_BATCH_BYTES = 32 << 20
_MOST_ROWS = 65_536
_Indexed = Sequence[tuple[int, bytes]]


def find_in_parquet(path: Path, index: NeedleIndex, found: np.ndarray, whole: tuple[_Indexed, _Indexed]) -> None:
    """Sets found[i] for every needle i that stands in a cell.

    Args:
        path: the file.
        index: strings looked for inside of cells.
        found: bool, shape (needles,).
        whole: short texts, which count as whole cells only, and uids, which pairs of columns <x>_hi and <x>_lo hold; each
            with the number of its needle.

    Raises:
        pyarrow.ArrowException: the file is damaged.
    """
    short, pairs = whole
    with pq.ParquetFile(path) as file:
        names = [field.name for field in file.schema_arrow if _is_searched(field.name, field.type)]
        if not names:
            return
        for batch in file.iter_batches(batch_size=_batch_rows(file), columns=names):
            for leaves in _groups(batch):
                for array in leaves.values():
                    if _is_text(array.type):
                        _find_in_cells(array, index, found, short)
                _find_pairs(leaves, found, pairs)


def _batch_rows(file: pq.ParquetFile) -> int:
    """Rows of which the largest row group holds about `_BATCH_BYTES`."""
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1)
    return int(np.clip(_BATCH_BYTES // max(1, row_bytes), 16, _MOST_ROWS))


def _is_text(kind: pa.DataType) -> bool:
    names = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{name}")(kind) for name in names)


def _is_half(name: str, kind: pa.DataType) -> bool:
    return name.endswith(("_hi", "_lo")) and (pa.types.is_int64(kind) or pa.types.is_uint64(kind))


def _is_searched(name: str, kind: pa.DataType) -> bool:
    """Whether a column can hold a needle at any depth."""
    if isinstance(kind, pa.BaseExtensionType):
        return _is_searched(name, kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _is_searched(name, kind.value_type)
    if pa.types.is_nested(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return any(_is_searched(field.name, field.type) for field in fields)
    return _is_text(kind) or _is_half(name, kind)


def _groups(batch: pa.RecordBatch) -> Iterator[dict[str, pa.Array]]:
    """Arrays of equal length by name: the columns themselves, then the children of lists, structs and maps."""
    pending = [dict(zip(batch.schema.names, batch.columns, strict=True))]
    while pending:
        leaves = {}
        for name, array in pending.pop().items():
            array = array.storage if isinstance(array, pa.ExtensionArray) else array
            kind = array.type
            if pa.types.is_dictionary(kind):
                pending.append({name: array.dictionary})
            elif pa.types.is_map(kind):
                pending.append({f"{name}.key": array.keys, f"{name}.value": array.items})
            elif pa.types.is_struct(kind):
                pending.append({kind.field(i).name: child for i, child in enumerate(array.flatten())})
            elif pa.types.is_nested(kind):
                pending.append({name: array.flatten()})
            else:
                leaves[name] = array
        yield leaves


def _find_in_cells(array: pa.Array, index: NeedleIndex, found: np.ndarray, short: _Indexed) -> None:
    """Searches the bytes of all cells in one go, then compares the short texts with whole cells."""
    if pa.types.is_fixed_size_binary(array.type):
        array = array.cast(pa.binary())
    cells = array.cast(pa.large_binary())
    _, offsets, content = cells.buffers()
    if content is None or not len(cells):
        return
    borders = np.frombuffer(offsets, "<i8", len(cells) + 1, cells.offset * 8)
    index.find(memoryview(content)[borders[0] : borders[-1]], found, borders - borders[0])
    asked = [(i, value) for i, value in short if not found[i]]
    if asked:
        values = pa.array([value for _, value in asked], pa.large_binary())
        is_there = pc.is_in(values, value_set=cells).to_numpy(zero_copy_only=False)
        found[[i for (i, _), here in zip(asked, is_there, strict=True) if here]] = True


def _find_pairs(leaves: dict[str, pa.Array], found: np.ndarray, pairs: _Indexed) -> None:
    """Compares <x>_hi with <x>_lo as 64-bit halves, signed or not."""
    stems = [name[:-3] for name in leaves if name.endswith("_hi") and f"{name[:-3]}_lo" in leaves]
    for stem in stems:
        halves = [leaves[f"{stem}_hi"], leaves[f"{stem}_lo"]]
        if not all(_is_half("_hi", half.type) for half in halves):
            continue
        hi, lo = (pc.fill_null(half, 0).to_numpy(zero_copy_only=False).view(np.uint64) for half in halves)
        wanted: dict[bytes, list[int]] = {}
        for i, value in pairs:
            wanted.setdefault(value, []).append(i)
        likely = np.isin(hi, np.array([int.from_bytes(value[:8], "big") for value in wanted], np.uint64))
        for i in np.flatnonzero(likely):
            found[wanted.get(int(hi[i]).to_bytes(8, "big") + int(lo[i]).to_bytes(8, "big"), [])] = True
