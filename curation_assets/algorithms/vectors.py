"""Embeddings between their stored form (little-endian bytes, one value per row) and matrices."""

import numpy as np
import pyarrow as pa

from curation_assets.errors import SchemaError


def to_binary(matrix: np.ndarray, dtype: str, is_valid: np.ndarray | None = None) -> pa.Array:
    """Rows of a matrix as binary values; rows that are not valid become NULL.

    Args:
        matrix: float, shape (n, d).
        dtype: stored type, `<f2` or `<f4`.
        is_valid: bool, shape (n,); None means all.
    """
    rows = np.ascontiguousarray(matrix, dtype=dtype)
    width = rows.shape[1] * rows.dtype.itemsize
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])
    array = array.cast(pa.binary())
    if is_valid is None or is_valid.all():
        return array
    return pa.compute.if_else(pa.array(is_valid), array, pa.scalar(None, pa.binary()))


def from_binary(column: pa.Array | pa.ChunkedArray, dtype: str) -> np.ndarray:
    """Matrix of shape (n, d) of a column without NULLs, float32 whatever the stored dtype.

    Raises:
        SchemaError: the column is not binary, a value is NULL or empty, or the values have different lengths.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [_matrix(chunk, dtype) for chunk in chunks if len(chunk)]
    if not parts:
        return np.zeros((0, 0), np.float32)
    if len({part.shape[1] for part in parts}) > 1:
        raise SchemaError(f"embeddings of different lengths in one column: {sorted({p.shape[1] for p in parts})}")
    return np.concatenate(parts).astype(np.float32, copy=False)


def _matrix(array: pa.Array, dtype: str) -> np.ndarray:
    if not pa.types.is_binary(array.type):
        raise SchemaError(f"embeddings are stored as binary; found a column of type {array.type}")
    lengths = np.unique(pa.compute.binary_length(array).to_numpy(zero_copy_only=False))
    if array.null_count or len(lengths) != 1 or not lengths[0] or int(lengths[0]) % np.dtype(dtype).itemsize:
        raise SchemaError(
            f"embeddings must be present and of one length, a multiple of {np.dtype(dtype).itemsize} bytes; "
            f"found {array.null_count} NULL of {len(array)} and lengths {lengths.tolist()[:5]}"
        )
    offsets, data = array.buffers()[1:]
    start = int(np.frombuffer(offsets, np.int32)[array.offset])
    count = len(array) * int(lengths[0]) // np.dtype(dtype).itemsize
    return np.frombuffer(data, dtype=dtype, count=count, offset=start).reshape(len(array), -1)


def require_unit_rows(matrix: np.ndarray, name: str) -> None:
    """Refuse rows whose L2 norm is not 1.

    The tolerance 2e-3 is four times the rounding of one float16 value (2**-11), far above what a whole vector of rounded
    values can lose.

    Raises:
        SchemaError: names the first such row and its norm.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= 2e-3))
    if len(wrong):
        raise SchemaError(
            f"{name} must have unit rows, so that a dot product is a cosine; row {wrong[0]} has L2 norm "
            f"{norms[wrong[0]]:.3f} ({len(wrong)} of {len(matrix)} rows)"
        )


def on_grid(vectors: np.ndarray) -> np.ndarray:
    """Float32 vectors of L2 norm 1 with each value rounded to a multiple of 2**-26; a new array.

    The inner product of two of them is then exact in float64, in whatever order it is summed: every partial sum is a
    multiple of 2**-52 and at most the product of the norms, so 53 bits hold it. Values that were stored as float16 are
    multiples of 2**-24 and stay as they are; others move by at most 2**-27, an inner product by 2**-26 * sqrt(d).

    Example:
        >>> on_grid(np.float32([1, 2**-24, 2**-30])).tolist() == [1, 2**-24, 0]
        True
    """
    grid = np.multiply(vectors, np.float32(2**26), dtype=np.float32)
    np.rint(grid, out=grid)
    grid *= np.float32(2**-26)
    return grid
