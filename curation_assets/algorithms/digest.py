"""Content digests: the data version of a table is a hash of its columns, not of files, times or table versions."""

import hashlib
import json

import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.errors import SchemaError


def table_digest(table: pa.Table) -> str:
    """Hash of a table's columns: names, types, NULLs and values, in row order.

    Chunking, slicing, the bytes under NULLs and schema metadata do not matter; the order of rows does, so sort first.

    Returns:
        32 hex digits (128 bits of sha256).
    """
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name}\0{_type_name(column.type)}\0{len(column)}\0{column.null_count}\0".encode())
        combined = column.combine_chunks()
        for part in _parts(combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)):
            digest.update(part)
    return digest.hexdigest()[:32]


def partition_version(table: pa.Table, uids: str | None) -> str:
    """Data version of a stored partition.

    Args:
        table: its rows in stored order; the column `shard`, which names the partition, does not count.
        uids: digest of the uids of the pool's rows that it is joined to by position; None if it is joined to none.
    """
    content = table_digest(table.drop_columns(["shard"]) if "shard" in table.column_names else table)
    # Rows are joined by position, so the same numbers for other samples are another content.
    return content if uids is None or "uid_hi" in table.column_names else json_digest([content, uids])


def json_digest(value: object) -> str:
    """Hash of plain JSON values whose keys may come in any order; 32 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _type_name(kind: pa.DataType) -> str:
    """Name of a type; that of a list does not depend on what its field is called, which Delta changes to `element`."""
    return f"list<item: {_type_name(kind.value_type)}>" if pa.types.is_list(kind) else str(kind)


def _parts(array: pa.Array) -> list[bytes | memoryview]:
    """An array's content as canonical bytes."""
    parts: list[bytes | memoryview] = []
    if array.null_count:
        parts.append(memoryview(pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False)))
    kind = array.type
    if pa.types.is_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        return [*parts, *_parts(lengths.cast(pa.int64())), *_parts(array.flatten())]
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        filled = array.fill_null(b"" if pa.types.is_binary(kind) else "")
        lengths = pc.binary_length(filled).cast(pa.int64())
        return [*parts, *_parts(lengths), _bytes_of(filled)]
    if pa.types.is_boolean(kind):
        array = array.fill_null(False).cast(pa.uint8())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        array = array.fill_null(0)
    else:
        raise SchemaError(f"no digest is defined for columns of type {kind}; store a number, text, bytes or a list")
    return [*parts, memoryview(array.to_numpy(zero_copy_only=False)).cast("B")] if len(array) else parts


def _bytes_of(array: pa.Array) -> memoryview:
    """All values of a string or binary array without NULLs, one after the other."""
    offsets, data = array.buffers()[1:]
    if not len(array) or data is None:
        return memoryview(b"")
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]]
