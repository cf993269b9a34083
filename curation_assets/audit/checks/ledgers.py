"""Subsets and their ledgers against what they were made from: nothing appears, nothing is lost without a reason."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from curation_assets.audit.invariants import AuditFinding, Spot

_UID = ("uid_hi", "uid_lo")


def chain_findings(spot: Spot, subset: pa.Table, source: pa.Table, source_name: str) -> Iterator[AuditFinding]:
    """Rows of a subset that its source has not, or has with another uid."""
    row, at, is_known = _places(subset, source)
    if not is_known.all():
        strange = row[~is_known]
        yield spot.breach("chain", "row", f"rows of {source_name} alone", f"{len(strange)} others, such as {strange[0]}")
    wrong = _other_uids(subset, source, (is_known, at))
    if wrong:
        yield spot.breach("chain", "uid_hi, uid_lo", f"the uids of {source_name}", f"others in {wrong} rows")


def ledger_findings(spot: Spot, ledger: pa.Table, source: pa.Table, source_name: str) -> Iterator[AuditFinding]:
    """A ledger that has not exactly the rows of its source, with their uids."""
    row, source_row = ledger["row"].to_numpy(), source["row"].to_numpy()
    if not np.array_equal(row, source_row):
        missing, strange = np.setdiff1d(source_row, row), np.setdiff1d(row, source_row)
        found = f"{len(row)} rows; {len(missing)} missing, {len(strange)} unknown"
        yield spot.breach("accounting", "row", f"the {len(source_row)} rows of {source_name}", found)
        return
    wrong = _other_uids(ledger, source, (np.ones(len(row), bool), np.arange(len(row))))
    if wrong:
        yield spot.breach("accounting", "uid_hi, uid_lo", f"the uids of {source_name}", f"others in {wrong} rows")


def reason_findings(spot: Spot, ledger: pa.Table) -> Iterator[AuditFinding]:
    """Rows dropped without a filter, rows kept with one, and filters without what they looked at."""
    is_kept = ledger["is_kept"].fill_null(False).to_numpy()
    has_filter, has_column = (ledger[name].is_valid().to_numpy() for name in ("filter", "column"))
    silent, both = np.count_nonzero(~is_kept & ~has_filter), np.count_nonzero(is_kept & has_filter)
    vague = np.count_nonzero(~is_kept & has_filter & ~has_column)
    if silent:
        yield spot.breach("accounting", "filter", "the filter that dropped each row", f"none in {silent} rows")
    if both:
        yield spot.breach("accounting", "filter", "no filter where a row is kept", f"one in {both} rows")
    if vague:
        yield spot.warning("accounting", "column", "what the filter looked at", f"nothing in {vague} rows")


def kept_findings(spot: Spot, ledger: pa.Table, subset: pa.Table, subset_name: str) -> Iterator[AuditFinding]:
    """Rows that the ledger keeps and the subset has not, or the reverse."""
    is_kept = ledger["is_kept"].fill_null(False).to_numpy()
    kept, row = ledger["row"].to_numpy()[is_kept], subset["row"].to_numpy()
    if not np.array_equal(kept, row):
        only_ledger, only_subset = len(np.setdiff1d(kept, row)), len(np.setdiff1d(row, kept))
        found = f"{len(kept)} rows; {only_ledger} not there, {only_subset} only there"
        yield spot.breach("accounting", "is_kept", f"the {len(row)} rows of {subset_name}", found)


def _places(rows: pa.Table, source: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers, where each stands in the source, and whether it does."""
    row, source_row = rows["row"].to_numpy(), source["row"].to_numpy()
    order = np.argsort(source_row, kind="stable")
    if not len(order):
        return row, np.zeros(len(row), np.int64), np.zeros(len(row), bool)
    at = order[np.minimum(np.searchsorted(source_row, row, sorter=order), len(order) - 1)]
    return row, at, source_row[at] == row


def _other_uids(rows: pa.Table, source: pa.Table, places: tuple[np.ndarray, np.ndarray]) -> int:
    is_known, at = places
    is_wrong = np.zeros(len(rows), bool)
    for name in _UID:
        is_wrong[is_known] |= rows[name].to_numpy()[is_known] != source[name].to_numpy()[at[is_known]]
    return int(np.count_nonzero(is_wrong))
