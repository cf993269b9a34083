"""Findings of an audit: what does not hold, where, how bad it is, and what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from curation_assets.algorithms.inert import inert

Severity = Literal["breach", "warning"]

_AGAIN = "materialize this partition again in the Dagster UI; of a published version restore the file from a copy"
_RESTORE = "restore the file from a copy, or remove the table's folder and run curate apply"
_APPLY = "run curate apply"

# Every check by its code: what has to hold, and what to do where it does not. The codes are stable.
CHECKS: dict[str, tuple[str, str]] = {
    "unreadable": ("every table, file and manifest can be opened and read", _RESTORE),
    "missing_file": ("every data file that the log names is there", _RESTORE),
    "file_size": ("every data file has the size that the log says", _RESTORE),
    "orphan_file": ("every file of a table is named in its log", "remove the file, unless somebody put it there on purpose"),
    "partition_files": ("a partition is one file", _AGAIN),
    "partition": ("the file of a partition lies in that partition's folder", _AGAIN),
    "schema": ("columns are those that the recipe's present code writes", _APPLY),
    "row_order": ("rows ascend by row, each number once", _AGAIN),
    "record": ("every partition has a record of what it was made from", _AGAIN),
    "rows": ("a partition has as many rows as recorded", _AGAIN),
    "digest": ("the rows of a partition give the data version that is recorded", _AGAIN),
    "statistics": ("the statistics of a data file, by which rows are looked up, are those of its rows", _AGAIN),
    "identity": ("the uids of raw_pool give the digest that is recorded", _AGAIN),
    "alignment": ("a partition belongs to the rows of raw_pool, in its order", _AGAIN),
    "failed_check": ("no partition failed a blocking check", "see the check in the Dagster UI; nothing reads the partition"),
    "uid_unique": ("no uid occurs twice in a shard", _AGAIN),
    "accounting": ("rows in are rows kept and rows dropped with a reason", _AGAIN),
    "chain": ("a subset has only rows of its source, with the same uids", _AGAIN),
    "funnel": ("the counts of a manifest are those of the ledgers", "publish the subset anew; this version cannot be trusted"),
    "null_reason": ("a NULL has a reason, a value has none", _AGAIN),
    "bounds": ("values lie within the bounds that their column declares", _AGAIN),
    "cut": ("a fraction keeps floor(fraction * population + 1e-9) rows, the best ones", _AGAIN),
    "stale": ("nothing is out of date", _APPLY),
    "pool": ("the pool can be read, to tell what is out of date", "make pool.path match the pool's files"),
    "not_local": ("the lake lies on a local disk, where files can be compared with logs", "audit a local copy of the lake"),
    "version": ("a published version is what its digests say", "publish the subset anew; this version cannot be trusted"),
    "manifest": ("a version's manifest is the registered one", "restore manifest.json from the table datasets/<name>"),
    "unfinished": ("nothing was left half done", "run the command again that was interrupted"),
    "receipts": ("the chain of receipts is whole, with every receipt that the lake names", "restore the receipts from a copy"),
    "takedown": ("no row that was taken down is anywhere", "run curate takedown again with the same request"),
    "audit": ("every check could be carried out", "report it, with the whole finding"),
}


@dataclass(frozen=True)
class AuditFinding:
    """One thing that does not hold.

    Args:
        check: code of the check, a key of CHECKS.
        severity: a breach fails an audit, a warning only a strict one.
        table: table or other place below the lake's root; tables of versions begin with published/.
        partition: shard, empty where there is none.
        place: file or column.
        expected: what has to be there.
        found: what is there.
        remedy: what to do.
    """

    check: str
    severity: Severity
    table: str
    partition: str
    place: str
    expected: str
    found: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """The finding as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Spot:
    """A table, or one partition of it, where something may be found."""

    table: str
    partition: str = ""

    def breach(self, check: str, place: str, expected: object, found: object) -> AuditFinding:
        """A finding that fails the audit."""
        return self._finding(check, "breach", place, (expected, found))

    def warning(self, check: str, place: str, expected: object, found: object) -> AuditFinding:
        """A finding that fails a strict audit alone."""
        return self._finding(check, "warning", place, (expected, found))

    def _finding(self, check: str, severity: Severity, place: str, values: tuple[object, object]) -> AuditFinding:
        expected, found = (inert(str(value), longest=300) for value in values)
        where = (inert(self.table), inert(self.partition), inert(place, longest=240))
        return AuditFinding(check, severity, *where, expected, found, CHECKS[check][1])


def counted(findings: Iterable[AuditFinding]) -> dict[str, dict[str, int]]:
    """How many findings there are by severity and check."""
    counts: dict[str, dict[str, int]] = {"breach": {}, "warning": {}}
    for finding in findings:
        counts[finding.severity][finding.check] = counts[finding.severity].get(finding.check, 0) + 1
    return counts
