"""Partitions that failed when they were last tried, and what they would have been made from.

Automation does not try the same thing twice: a partition that failed is tried again once its fingerprint is another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from curation_assets.lineage.planning import Planned
from resources.delta import Lake, Part

_TABLE = "_failures"
_SCHEMA = pa.schema([(name, pa.string()) for name in ("partition", "fingerprint", "reason")])


@dataclass(frozen=True)
class Failures:
    """By partition name: fingerprint and reason of the last attempt, of those that failed then."""

    by_partition: Mapping[str, tuple[str, str]]

    def reason(self, one: Planned) -> str | None:
        """Why a partition failed with the fingerprint that it has now; None where it was not tried with that."""
        fingerprint, reason = self.by_partition.get(one.name, ("", ""))
        return reason if fingerprint == one.fingerprint else None


def read_failures(lake: Lake) -> Failures:
    """What failed at the last attempt."""
    rows = lake.read(_TABLE).to_pylist() if lake.exists(_TABLE) else []
    return Failures({row["partition"]: (row["fingerprint"], row["reason"]) for row in rows})


def write_failures(lake: Lake, failures: Failures) -> None:
    """Replace what failed at the last attempt; nothing is written if nothing changed."""
    if failures == read_failures(lake):
        return
    names = sorted(failures.by_partition)
    columns = [names, *([failures.by_partition[name][i] for name in names] for i in range(2))]
    table = pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=_SCHEMA)
    lake.write(_TABLE, [Part(None, table, {"asset": _TABLE})])
