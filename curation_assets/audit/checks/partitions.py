"""One partition against its own record: order, number of rows, data version, and whose rows they are."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.digest import json_digest, partition_version
from curation_assets.algorithms.identity import uid_digest
from curation_assets.audit.invariants import AuditFinding, Spot
from curation_assets.audit.publish import content_digests, remaining_digest
from curation_assets.lineage.planning import FAILED_CHECKS
from resources.row_lookup import wrong_bounds

Record = Mapping[str, object]


def row_findings(spot: Spot, rows: pa.Table) -> Iterator[AuditFinding]:
    """Row numbers that do not ascend."""
    if "row" not in rows.column_names or len(rows) < 2:
        return
    row = rows["row"].to_numpy()
    wrong = np.flatnonzero(row[1:] <= row[:-1])
    if len(wrong):
        at = int(wrong[0])
        yield spot.breach("row_order", "row", f"more than {row[at]} at position {at + 1}", f"{row[at + 1]}, {len(wrong)} such")


def record_findings(spot: Spot, record: Record | None, rows: int, *, is_ours: bool) -> Iterator[AuditFinding]:
    """A partition without a record, with another number of rows than recorded, or one that failed a check.

    Args:
        spot: the partition.
        record: what the log says of it.
        rows: rows that it has.
        is_ours: whether the recipe makes it, so that it must have a record.
    """
    if record is None:
        found = f"none; {rows} rows"
        kind = spot.breach if is_ours else spot.warning
        yield kind("record", "_delta_log", "a record of what it was made from", found)
        return
    if record.get("rows") != rows:
        yield spot.breach("rows", "_delta_log", f"{record.get('rows')} rows", f"{rows} rows")
    if failed := record.get(FAILED_CHECKS):
        names = ", ".join(map(str, failed)) if isinstance(failed, list) else str(failed)
        yield spot.warning("failed_check", "", "all checks passed", names)


def digest_findings(spot: Spot, record: Record, rows: pa.Table) -> Iterator[AuditFinding]:
    """Rows that do not give the data version that is recorded."""
    present = present_versions(spot.table, record, rows)
    if record.get("data_version") not in present:
        yield spot.breach("digest", "data_version", record.get("data_version"), present[0])


def statistics_findings(spot: Spot, file: Path) -> Iterator[AuditFinding]:
    """Statistics of a local data file that are not those of its rows."""
    for column, group, stated, actual in wrong_bounds(file):
        shown = [f"{smallest} to {largest}" for smallest, largest in (actual, stated)]
        yield spot.breach("statistics", f"{file.name}, {column} of row group {group}", *shown)


def identity_findings(spot: Spot, record: Record, rows: pa.Table) -> Iterator[AuditFinding]:
    """Uids of raw_pool that do not give the digest that is recorded."""
    present = uid_digest(rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy())
    if record.get("uid_digest") != present:
        yield spot.breach("identity", "uid_hi, uid_lo", record.get("uid_digest"), present)


def present_versions(table: str, record: Record, rows: pa.Table) -> list[str]:
    """The data version that rows give, and what may stand for it: of encoders their weights, of versions their content."""
    uids, names = record.get("uid_digest"), rows.column_names
    if "weights_sha256" in names and len(rows) == 1:
        return [str(rows["weights_sha256"][0].as_py())]
    if "manifest_sha256" in names and table.startswith("datasets/"):
        return [*rows["content_digest"].to_pylist()[-1:], json_digest(rows["manifest_sha256"].to_pylist())]
    if table.startswith("published/") and table.endswith("/members"):
        content = content_digests(rows)
        return [json_digest(content), remaining_digest(content["columns"])]  # as published, and after a takedown
    return [partition_version(rows, uids if isinstance(uids, str) else None)]
