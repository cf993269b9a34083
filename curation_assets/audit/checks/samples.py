"""The pool, and tables with a row per sample of it: uids, row numbers, bounds, and reasons of what could not be measured."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.audit.invariants import AuditFinding, Spot
from curation_assets.tables import REASON, Column


def uid_findings(spot: Spot, rows: pa.Table) -> Iterator[AuditFinding]:
    """Uids that occur twice in a shard."""
    pairs = np.stack([rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()], axis=1)
    repeated = len(pairs) - len(np.unique(pairs, axis=0))
    if repeated:
        yield spot.breach("uid_unique", "uid_hi, uid_lo", "each uid once", f"{repeated} rows repeat one")


def rejected_findings(spot: Spot, pool: pa.Table, rejected: pa.Table) -> Iterator[AuditFinding]:
    """Samples that are both in the pool and rejected, and rejected ones without a reason."""
    both = np.intersect1d(pool["row"].to_numpy(), rejected["row"].to_numpy())
    if len(both):
        yield spot.breach("accounting", "row", "no row that raw_pool has too", f"{len(both)} rows, such as {both[0]}")
    if rejected["reason"].null_count:
        yield spot.breach("accounting", "reason", "a reason in each row", f"none in {rejected['reason'].null_count} rows")


def alignment_findings(spot: Spot, rows: pa.Table, pool: pa.Table) -> Iterator[AuditFinding]:
    """Rows that are not those of the raw pool's shard, in its order."""
    row, pool_row = rows["row"].to_numpy(), pool["row"].to_numpy()
    if len(row) != len(pool_row):
        yield spot.breach("alignment", "row", f"{len(pool_row)} rows, as raw_pool", f"{len(row)} rows")
    elif not np.array_equal(row, pool_row):
        at = int(np.flatnonzero(row != pool_row)[0])
        yield spot.breach("alignment", "row", f"row {pool_row[at]} at position {at}, as in raw_pool", f"row {row[at]}")


def bounds_findings(spot: Spot, columns: Sequence[Column], rows: pa.Table) -> Iterator[AuditFinding]:
    """Values beyond the bounds that their columns declare; NaN is within none."""
    for column in columns:
        low, high = column.bounds
        if column.name not in rows.column_names or not column.is_number or (low is None and high is None):
            continue
        values = pc.drop_null(rows[column.name].combine_chunks()).to_numpy(zero_copy_only=False)
        is_inside = (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
        if not is_inside.all():
            outside = values[~is_inside]
            allowed = f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
            yield spot.breach("bounds", column.name, allowed, f"{len(outside)} values, such as {outside[0]}")


def null_findings(spot: Spot, columns: Sequence[Column], rows: pa.Table) -> Iterator[AuditFinding]:
    """Values that are missing without a reason, and rows that have a reason though nothing is missing."""
    names = [c.name for c in columns if c.is_nullable and c.name != REASON.name and c.name in rows.column_names]
    if REASON not in columns or REASON.name not in rows.column_names or not names:
        return
    has_reason = rows[REASON.name].is_valid().to_numpy()
    is_missing = np.zeros(len(rows), bool)
    for name in names:
        is_null = rows[name].is_null().to_numpy()
        is_missing |= is_null
        silent = int(np.count_nonzero(is_null & ~has_reason))
        if silent:
            yield spot.warning("null_reason", name, "a reason for each NULL", f"none for {silent}")
    idle = int(np.count_nonzero(has_reason & ~is_missing))
    if idle:
        yield spot.breach("null_reason", REASON.name, "no reason where all was measured", f"{idle} rows with one")


def wrong_nulls(spot: Spot, columns: Sequence[Column], rows: pa.Table) -> Iterator[AuditFinding]:
    """NULLs in columns that must have a value."""
    for column in columns:
        if not column.is_nullable and column.name in rows.column_names and rows[column.name].null_count:
            yield spot.breach("null_reason", column.name, "no NULL", f"{rows[column.name].null_count} NULLs")
