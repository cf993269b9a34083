"""Cuts counted again: how many rows have a value, and how many of them the stored cut keeps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, holds
from curation_assets.algorithms.order_statistics import fraction_rows, parity_rank
from curation_assets.audit.invariants import AuditFinding, Spot
from curation_assets.holdings.stored import cut_condition
from curation_assets.spec import Fraction


@dataclass
class CutCount:
    """A stored cut, and what it means for the rows that have been counted so far.

    Args:
        spot: the cut's table.
        fraction: what the recipe asks for.
        stored: the table's one row.
        population: rows counted that have a value.
        kept: rows counted that the cut keeps.
        better: those of them whose value is not that of the last row kept.
    """

    spot: Spot
    fraction: Fraction
    stored: Mapping[str, object]
    population: int = 0
    kept: int = 0
    better: int = 0

    def count(self, values: pa.Array, uid_hi: np.ndarray, uid_lo: np.ndarray) -> None:
        """Add the rows of a shard; uids are int64 halves, all of shape (n,)."""
        last = tuple(int(np.int64(self.stored[half]).view(np.uint64)) for half in ("cut_uid_hi", "cut_uid_lo"))
        condition = cut_condition(self.fraction, self.stored["cut_value"], last)
        rows = Rows({self.fraction.column: values}, uid_hi, uid_lo)
        is_kept, is_lost = holds(condition, rows)
        self.population += int(np.count_nonzero(is_kept | is_lost))
        self.kept += int(np.count_nonzero(is_kept))
        if self.stored["cut_value"] is not None:
            numbers = values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
            self.better += int(np.count_nonzero(is_kept & (numbers != self.stored["cut_value"])))

    def findings(self) -> Iterator[AuditFinding]:
        """What is wrong with the cut, once all shards have been counted."""
        stored, asked = self.stored, self.fraction
        if stored["fraction"] != asked.fraction:
            yield self.spot.breach("cut", "fraction", asked.fraction, stored["fraction"])
        if stored["population"] != self.population:
            yield self.spot.breach("cut", "population", f"{self.population} rows with a value", stored["population"])
        rank = parity_rank if asked.is_parity else fraction_rows
        expected = rank(asked.fraction, self.population)
        if asked.is_parity and expected:
            is_right = stored["cut_rows"] == self.kept and self.better < expected <= self.kept
        else:
            is_right = stored["cut_rows"] == self.kept == expected
        if not is_right:
            found = f"{stored['cut_rows']} recorded, {self.kept} rows pass it"
            yield self.spot.breach("cut", "cut_rows", f"{expected} of {self.population}", found)
