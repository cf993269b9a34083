"""A score applied to the columns of one shard: NULL in, NULL out, and the reason beside it."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.errors import SchemaError
from curation_assets.spec import Score, Values
from curation_assets.tables import Column

from .vectors import from_binary

IS_NEW = "is_new"


def measure(
    score: Score,
    inputs: Mapping[str, pa.Array],
    reason: pa.Array | None = None,
    former: Mapping[str, pa.Array] | None = None,
) -> dict[str, pa.Array]:
    """Compute a score for the rows that have all inputs.

    Args:
        score: what to compute.
        inputs: the score's input columns, n rows each; embeddings as little-endian float16 bytes.
        reason: why an input is NULL, string, n rows; None when no input keeps reasons.
        former: the score's columns as they were, NULL for new rows, and `is_new`, bool, n rows each; None to begin anew.

    Returns:
        The score's columns and `reason`, n rows each: a row without a value has the reason why.

    Raises:
        SchemaError: the score returned other columns, types or another number of rows than it declares.
    """
    n = len(next(iter(inputs.values())))
    is_complete = np.ones(n, bool)
    for column in inputs.values():
        is_complete &= pc.is_valid(column).to_numpy(zero_copy_only=False)
    chosen = pa.array(np.flatnonzero(is_complete))
    arguments = [row_argument(name, inputs[name].take(chosen)) for name in score.inputs] if len(chosen) else []
    if arguments and former is not None:
        known = {column.name: _known(former[column.name].take(chosen)) for column in score.columns}
        is_new = former[IS_NEW].take(chosen).to_numpy(zero_copy_only=False)
        computed = score.update(*arguments, known, is_new)
    else:
        computed = score.compute(*arguments) if arguments else {}
    by_name = computed if isinstance(computed, dict) else {score.columns[0].name: computed}
    columns = {}
    is_measured = is_complete.copy()
    for column in score.columns:
        columns[column.name] = _spread(_returned(score, column, by_name, len(chosen)), is_complete)
        is_measured &= pc.is_valid(columns[column.name]).to_numpy(zero_copy_only=False)
    return {**columns, "reason": _reasons(is_complete, is_measured, reason)}


def row_argument(name: str, column: pa.Array) -> np.ndarray:
    """Embeddings as a matrix; every other column, digests included, as it is."""
    if name.endswith("_embedding"):
        return from_binary(column, "<f2")
    return column.to_numpy(zero_copy_only=False)


def _known(column: pa.Array) -> np.ndarray:
    """Former values; those of new rows are -1, or None where the column is no number."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        column = column.fill_null(-1)
    return column.to_numpy(zero_copy_only=False)


def _returned(score: Score, column: Column, by_name: Mapping[str, Values], n: int) -> pa.Array:
    """One returned column in its declared type, NaN as NULL."""
    if not n:
        return pa.array([], column.type)
    declared = {declared.name for declared in score.columns}
    if set(by_name) != declared:
        raise SchemaError(f"{score.compute.__name__} returned columns {sorted(by_name)}; it declares {sorted(declared)}")
    values = by_name[column.name]
    if len(values) != n:
        raise SchemaError(f"{score.compute.__name__} returned {len(values)} values of {column.name} for {n} rows")
    try:
        array = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)
        if pa.types.is_floating(array.type):
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        return array.cast(column.type)
    except pa.ArrowException as error:
        raise SchemaError(
            f"{score.compute.__name__} returned {column.name} that is no column of {column.type}: {error}"
        ) from error


def _spread(values: pa.Array, where: np.ndarray) -> pa.Array:
    """Values at the chosen rows, NULL elsewhere."""
    position = np.cumsum(where) - 1
    return values.take(pa.array(position, mask=~where))


def _reasons(is_complete: np.ndarray, is_measured: np.ndarray, reason: pa.Array | None) -> pa.Array:
    inherited = pa.nulls(len(is_complete), pa.string()) if reason is None else reason
    why = pc.if_else(pa.array(is_complete), "not a number", pc.fill_null(inherited, "an input is missing"))
    return pc.if_else(pa.array(is_measured), pa.scalar(None, pa.string()), why)
