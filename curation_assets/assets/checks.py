"""Asset checks: what has to hold of every artifact, as functions from numbers to a result."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.inert import inert
from curation_assets.tables import Column, Key


def accounting(key: Key, rows_in: int, rows_out: int, by_reason: dict[str, int]) -> dg.AssetCheckResult:
    """Rows in are rows out plus rows dropped with a reason."""
    dropped = sum(by_reason.values())
    return dg.AssetCheckResult(
        passed=rows_in == rows_out + dropped,
        asset_key=dg.AssetKey(key),
        check_name="accounting",
        metadata={"rows_in": rows_in, "rows_out": rows_out, "dropped": dropped, "by_reason": by_reason},
    )


def unique_uid(key: Key, uid_hi: np.ndarray, uid_lo: np.ndarray) -> dg.AssetCheckResult:
    """No uid occurs twice."""
    pairs = np.stack([uid_hi, uid_lo], axis=1)
    repeated = len(pairs) - len(np.unique(pairs, axis=0))
    return dg.AssetCheckResult(
        passed=not repeated, asset_key=dg.AssetKey(key), check_name="unique_uid", metadata={"repeated": repeated}
    )


def readable(key: Key, fault: str) -> dg.AssetCheckResult:
    """The shard's file could be opened and read. One that could not counts as empty, so that it holds back no other."""
    return dg.AssetCheckResult(
        passed=not fault,
        asset_key=dg.AssetKey(key),
        check_name="readable",
        severity=dg.AssetCheckSeverity.WARN,
        description=inert(fault, longest=400) or None,
    )


def alignment(key: Key, row: pa.ChunkedArray, pool_row: pa.ChunkedArray) -> dg.AssetCheckResult:
    """One row per row of the raw pool's shard, with the same numbers in the same order."""
    passed = len(row) == len(pool_row) and bool(np.array_equal(row.to_numpy(), pool_row.to_numpy()))
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=dg.AssetKey(key),
        check_name="alignment",
        metadata={"rows": len(row), "rows_in_raw_pool": len(pool_row)},
    )


def unit_norm(key: Key, matrices: dict[str, np.ndarray]) -> dg.AssetCheckResult:
    """Every stored vector is finite and of L2 norm 1, within what float16 rounding explains (2e-3)."""
    worst = {
        name: float(np.abs(np.linalg.norm(matrix.astype(np.float64), axis=1) - 1).max()) if len(matrix) else 0.0
        for name, matrix in matrices.items()
    }
    return dg.AssetCheckResult(
        passed=all(deviation <= 2e-3 for deviation in worst.values()),  # NaN compares false and fails
        asset_key=dg.AssetKey(key),
        check_name="unit_norm",
        metadata={f"largest_deviation_{name}": deviation for name, deviation in worst.items()},
    )


def bounds(key: Key, columns: tuple[Column, ...], values: dict[str, pa.Array]) -> dg.AssetCheckResult:
    """Every measured value lies between the bounds that the score declares."""
    outside = {}
    for column in columns:
        if not column.is_number:
            continue
        low, high = column.bounds
        array = pc.drop_null(values[column.name])
        too_low = 0 if low is None else pc.sum(pc.less(array, low)).as_py() or 0
        too_high = 0 if high is None else pc.sum(pc.greater(array, high)).as_py() or 0
        outside[column.name] = too_low + too_high
    return dg.AssetCheckResult(
        passed=not any(outside.values()),
        asset_key=dg.AssetKey(key),
        check_name="bounds",
        metadata={"values_outside_bounds": outside},
    )


def kept_fraction(key: Key, kept: int, rows: int, allowed: tuple[float, float]) -> dg.AssetCheckResult:
    """The share kept lies between the recipe's bounds, and something is kept at all. An empty shard passes."""
    share = kept / rows if rows else 1.0
    return dg.AssetCheckResult(
        passed=not rows or (kept > 0 and allowed[0] <= share <= allowed[1]),
        asset_key=dg.AssetKey(key),
        check_name="kept_fraction",
        severity=dg.AssetCheckSeverity.WARN,
        description=f"kept {kept:,} of {rows:,} rows; allowed share: {allowed[0]:g} to {allowed[1]:g}, and not none",
        metadata={"kept": kept, "rows": rows, "kept_fraction": share},
    )
