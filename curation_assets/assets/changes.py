"""What a step changes in a subset's shard, for the Dagster UI: rows that come and go, counted by cause, and a few of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.decisions import Rows
from curation_assets.algorithms.identity import Halves, uid_hex
from curation_assets.algorithms.inert import excerpt, inert
from curation_assets.errors import CurationError
from curation_assets.holdings.stored import Read, score_columns, stored_stage
from curation_assets.keep import columns_of
from curation_assets.lineage.causes import Cause, pool_cause, spread
from curation_assets.lineage.diff import Sides, Stage, filter_causes, only_in, places, structural_cause
from curation_assets.nodes import column_owners
from curation_assets.recipe import SubsetPlan

from .former import Former, recorded_reason
from .step import Draft, Step

_MOST_SAMPLES = 10
_GONE = "what the filters read before is no longer stored"
Found = list[tuple[Cause, np.ndarray]]


@dataclass(frozen=True)
class Changes:
    """Rows of a shard that come and go: their uids, numbers of their causes, and how many of the first ones come."""

    step: Step
    uids: Halves
    codes: np.ndarray
    causes: list[Cause]
    added: int

    def counts(self) -> dict[str, object]:
        """Table of rows by cause, as metadata; nothing if no row came or went."""
        if not self.causes:
            return {}
        halves = (self.codes[: self.added], self.codes[self.added :])
        came, went = (np.bincount(half, minlength=len(self.causes)).tolist() for half in halves)
        rows = sorted(zip(self.causes, came, went, strict=True), key=lambda row: (-row[1] - row[2], row[0].text))
        columns = {"cause": "string", "added": "int", "removed": "int"}
        return {"changed": _table(columns, [(_text(cause), *n) for cause, *n in rows])}

    def samples(self) -> dict[str, object]:
        """Table of a few rows, as metadata. Captions are of the pool of now: what left it is not shown."""
        if not self.causes:
            return {}
        at = spread(self.codes, self.uids, _MOST_SAMPLES)
        uids = (self.uids[0][at], self.uids[1][at])
        pool = self.step.read(("raw_pool",), ["uid_hi", "uid_lo", "text"])
        found = places(_uids(pool), uids)
        texts = [excerpt(pool["text"][int(i)].as_py() or "") if i >= 0 else "" for i in found]
        change = ["added" if i < self.added else "removed" for i in at]
        causes = [_text(self.causes[code]) for code in self.codes[at]]
        columns = dict.fromkeys(("uid", "caption", "change", "cause"), "string")
        return {"changed_samples": _table(columns, list(zip(uid_hex(*uids), texts, change, causes, strict=True)))}


def changes(step: Step, plan: SubsetPlan, made: tuple[Draft, Draft]) -> Changes:
    """Compare what a step has made of a subset's shard with what is stored of it.

    Args:
        step: of the subset.
        plan: its filters now.
        made: drafts of its rows and of its ledger.
    """
    draft, ledger = made
    stored = step.state.records[draft.key].get(step.shard)
    none = np.zeros(0, np.int64)
    if stored is None or stored["data_version"] == draft.record["data_version"]:
        return Changes(step, (none, none), none, [], 0)
    former = Former(step, plan)
    rows = former.rows()
    new, old = (
        rows_of.take(only_in(_uids(rows_of), _uids(other))) for rows_of, other in ((draft.table, rows), (rows, draft.table))
    )
    causes: dict[Cause, int] = {}
    codes = np.full(len(new) + len(old), -1)
    compared = _Compared(former, ledger.table)
    for start, part, is_added in ((0, new, True), (len(new), old, False)):
        for cause, at in compared.found(part, is_added=is_added):
            codes[start + at] = causes.setdefault(cause, len(causes)) if len(at) else -1
    hi, lo = (np.concatenate([part[name].to_numpy() for part in (new, old)]) for name in ("uid_hi", "uid_lo"))
    return Changes(step, (hi, lo), codes, list(causes), len(new))


@dataclass(frozen=True)
class _Compared:
    """The shard as it was and as it is now, in the ways that causes are told by."""

    former: Former
    ledger: pa.Table

    @cached_property
    def stages(self) -> tuple[Stage, Stage]:
        """The subset as it was, and as it is."""
        return self.former.stage(), stored_stage(self.former.step.read, self.former.plan)

    def found(self, rows: pa.Table, *, is_added: bool) -> Found:
        """The cause of rows that came (they were dropped before), or that went (they are dropped now)."""
        if not len(rows):
            return []
        ledger = self.former.ledger() if is_added else self.ledger
        at = places(_uids(ledger), _uids(rows))
        outside = np.flatnonzero(at < 0)
        found = [(cause, outside[own]) for cause, own in self._outside(rows.take(outside), is_added, bool(len(ledger)))]
        inside = np.flatnonzero(at >= 0)
        lost = ledger.take(at[inside])
        for name in pc.unique(lost["filter"]).to_pylist():
            own = np.flatnonzero(pc.fill_null(pc.equal(lost["filter"], name or ""), name is None).to_numpy())
            causes = self._of_filter(str(name), rows.take(inside[own]), lost.take(own), is_added=is_added)
            found += [(cause, inside[own[there]]) for cause, there in causes]
        return found

    def _of_filter(self, name: str, kept: pa.Table, lost: pa.Table, *, is_added: bool) -> Found:
        """Causes of rows that a filter drops on the one side and not on the other."""
        subset, everywhere = self.former.plan.name, np.arange(len(kept))
        try:
            before, now = self.stages
            keeping, dropping = (now, before) if is_added else (before, now)
            structural = structural_cause([keeping], [dropping], (subset, name), is_added=is_added)
            if structural is not None:
                return [(structural, everywhere)]
            values = [self._values(stage, name, rows, stage is now) for stage, rows in ((keeping, kept), (dropping, lost))]
            causes, codes = filter_causes(Sides(keeping, dropping, name, *values), self._reason, is_added=is_added)
        except CurationError:  # shown beside the rows; what the subset is does not hang on what it was
            return [(Cause("out_of_date", subset, name, detail=_GONE), everywhere)]
        return [(cause, np.flatnonzero(codes == i)) for i, cause in enumerate(causes)]

    def _values(self, stage: Stage, name: str, rows: pa.Table, is_now: bool) -> Rows:
        read: Read = self.former.step.read if is_now else self.former.read
        columns = [column for _, part in stage.parts(name) for column in columns_of(part)]
        graph = self.former.step.project.graph
        return Rows(score_columns(read, graph, columns, rows["row"].to_numpy()), *_uids(rows))

    def _reason(self, column: str, anywhere: bool) -> str:
        step = self.former.step
        key = column_owners(step.project.graph)[column]
        return "" if self.former.has_values_of_now(key) else recorded_reason(step.state, key, step.shard)

    def _outside(self, rows: pa.Table, is_added: bool, had_rows: bool) -> Found:
        """Causes of rows that the other side's source has not got."""
        step, source = self.former.step, self.former.plan.source
        if not len(rows):
            return []
        if source is not None:
            return [(Cause("upstream", source), np.arange(len(rows)))]
        has_shard = had_rows if is_added else step.shard in step.state.files
        taken: Mapping[int, str] = {} if is_added else _taken_down(step)
        reasons = [taken.get(row) for row in rows["row"].to_pylist()]
        causes = [pool_cause(is_added=is_added, has_shard=has_shard, rejected=reason) for reason in reasons]
        return [(cause, np.array([i for i, c in enumerate(causes) if c == cause])) for cause in dict.fromkeys(causes)]


def _taken_down(step: Step) -> dict[int, str]:
    """Tickets of samples of the shard that were taken down, by row."""
    snapshot = step.state.snapshots[("rejected_samples",)]
    rejected = [] if snapshot is None else snapshot.read(step.shard, ["row", "reason"]).to_pylist()
    return {row["row"]: row["reason"] for row in rejected if row["reason"].startswith("takedown")}


def _uids(rows: pa.Table) -> Halves:
    return rows["uid_hi"].to_numpy(), rows["uid_lo"].to_numpy()


def _text(cause: Cause) -> str:
    return inert(cause.text, longest=300)


def _table(columns: Mapping[str, str], rows: list[tuple[str | int, ...]]) -> dg.TableMetadataValue:
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in columns.items()])
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records=records, schema=schema)
