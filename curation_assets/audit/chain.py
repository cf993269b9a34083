"""What every subset of a from-chain says of a sample: its ledger, and its filters on the stored scores leaf by leaf."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Rows, decide
from curation_assets.errors import LakeError
from curation_assets.holdings.stored import cut_condition, score_columns
from curation_assets.keep import columns_of, describe, fractions, with_cuts
from curation_assets.lineage.story import Finding, LedgerRow, SubsetVerdict
from curation_assets.lineage.verdicts import CutFacts, StoredCut, Verdict, explain, filters_of, finite, first_failing
from curation_assets.nodes import column_owners, cut_key
from curation_assets.recipe import SubsetPlan
from curation_assets.spec import Condition, Fraction
from curation_assets.tables import Key

from .asked import uid_text
from .stored_rows import Place, StoredRows


@dataclass(frozen=True)
class Sample:
    """A sample as filters see it: its place, and the halves of its uid as stored."""

    place: Place
    uid_hi: int
    uid_lo: int


def chain_verdicts(
    stored: StoredRows, chain: list[SubsetPlan], sample: Sample
) -> tuple[list[SubsetVerdict], list[Finding], list[tuple[Key, str | None]]]:
    """Verdicts of all subsets of a chain, the widest first; what does not fit together; and the partitions that were read."""
    verdicts: list[SubsetVerdict] = []
    findings: list[Finding] = []
    tables: list[tuple[Key, str | None]] = []
    is_reached: bool | None = True
    for plan in chain:
        verdict, wrong, read = _verdict(stored, plan, sample, is_reached)
        verdicts.append(verdict)
        findings += wrong
        tables += read
        is_reached = verdict.is_kept if is_reached else is_reached
    return verdicts, findings, tables


def _verdict(
    stored: StoredRows, plan: SubsetPlan, sample: Sample, is_reached: bool | None
) -> tuple[SubsetVerdict, list[Finding], list[tuple[Key, str | None]]]:
    shard = sample.place[0]
    ledger_key: Key = ("decisions", plan.name)
    findings, tables = [], []
    fault = stored.fault(ledger_key, shard)
    row = None if fault else stored.row(ledger_key, sample.place)
    if fault:
        findings.append(_finding("ledger_missing", plan.name, f"its ledger cannot be used: {fault}; run curate apply"))
    else:
        tables.append((ledger_key, shard))
        findings += _edited(stored, plan, shard)
        if (row is not None) != is_reached and is_reached is not None:
            there, ought = ("has", "not in") if row else ("has no", "in")
            message = f"its ledger {there} row of the sample, which is {ought} its source; run curate apply, then curate audit"
            findings.append(_finding("ledger_disagrees", plan.name, message))
    ledger = None if row is None else _ledger(row)
    filters, decided, unreadable = _filters(stored, plan, sample, tables)
    findings += [_finding("score_missing", plan.name, message) for message in unreadable]
    if ledger is not None and decided is not None and decided != ledger:
        message = (
            f"its filters on the scores of now give {_shown(decided)}, its ledger says {_shown(ledger)}; the ledger counts"
        )
        findings.append(_finding("ledger_disagrees", plan.name, message))
    if decided is not None and decided.filter != first_failing(filters):
        message = f"leaf by leaf the first filter to fail is {first_failing(filters)}, as a whole it is {decided.filter}"
        findings.append(_finding("explanation_disagrees", plan.name, message))
    is_kept, dropped_by = (None, None) if ledger is None else (ledger.is_kept, ledger.filter)
    return SubsetVerdict(plan.name, plan.source, is_reached, is_kept, dropped_by, ledger, filters), findings, tables


def _filters(
    stored: StoredRows, plan: SubsetPlan, sample: Sample, tables: list[tuple[Key, str | None]]
) -> tuple[tuple[Verdict, ...], LedgerRow | None, list[str]]:
    """The filters leaf by leaf, what they decide as a whole, and what cannot be read of them; partitions go to `tables`."""
    shard, row = sample.place
    owners, graph = column_owners(stored.graph), stored.graph
    scores: list[tuple[Key, str | None]] = [(owners[c], shard) for c in columns_of(plan.keep)]
    cuts: list[tuple[Key, str | None]] = [(cut_key(plan.name, n), None) for n, _ in enumerate(fractions(plan.keep))]
    faults = [(key, fault) for key, part in dict.fromkeys([*scores, *cuts]) if (fault := stored.fault(key, part))]
    if faults:
        return (), None, [f"{graph[key].name} cannot be used: {fault}; run curate apply" for key, fault in faults]

    def read(key: Key, columns: list[str] | None) -> pa.Table:
        return stored.read(key, shard if graph[key].is_sharded else None, columns)

    known = _cuts(stored, plan)
    try:
        columns = score_columns(read, graph, columns_of(plan.keep), np.array([row]))
    except LakeError as error:
        return (), None, [str(error)]
    rows = Rows(columns, np.array([sample.uid_hi], np.int64), np.array([sample.uid_lo], np.int64))
    tables += [*scores, *cuts]
    decided = decide(with_cuts(plan.keep, {fraction: cut.condition for fraction, cut in known.items()}), rows)
    as_ledger = LedgerRow(
        bool(decided.is_kept[0]),
        *(getattr(decided, name)[0] for name in ("filter", "column", "comparison")),
        *(_plain(getattr(decided, name)[0]) for name in ("value", "threshold")),
    )
    return tuple(explain(part, rows, known) for part in filters_of(plan.keep)), as_ledger, []


def _cuts(stored: StoredRows, plan: SubsetPlan) -> dict[Fraction, StoredCut]:
    found = {}
    for number, fraction in enumerate(fractions(plan.keep)):
        cut = stored.read(cut_key(plan.name, number), None).to_pylist()[0]
        uid = uid_text(cut["cut_uid_hi"], cut["cut_uid_lo"])
        condition: Condition = cut_condition(fraction, cut["cut_value"], (int(uid[:16], 16), int(uid[16:], 16)))
        facts = CutFacts(
            cut["fraction"], fraction.keep, fraction.over, cut["cut_rows"], cut["population"], finite(cut["cut_value"]), uid
        )
        found[fraction] = StoredCut(condition, facts)
    return found


def _edited(stored: StoredRows, plan: SubsetPlan, shard: str) -> list[Finding]:
    parameters = stored.state.records[("subsets", plan.name)].get(shard, {}).get("parameters")
    if not isinstance(parameters, dict) or parameters.get("keep") == describe(plan.keep):
        return []
    return [_finding("recipe_edited", plan.name, "its filters in the recipe are not those of its ledger; run curate apply")]


def _ledger(row: dict[str, object]) -> LedgerRow:
    text = {name: None if row[name] is None else str(row[name]) for name in ("filter", "column", "comparison")}
    value, threshold = (
        _plain(row[name] if row[f"{name}_text"] is None else row[f"{name}_text"]) for name in ("value", "threshold")
    )
    return LedgerRow(bool(row["is_kept"]), text["filter"], text["column"], text["comparison"], value, threshold)


def _plain(value: object) -> float | str | None:
    """A value as the ledger keeps it: a finite number or a text."""
    if value is None or isinstance(value, str):
        return value
    number = finite(float(str(value))) if isinstance(value, str) else finite(float(value))
    return number


def _shown(row: LedgerRow) -> str:
    if row.is_kept:
        return "kept"
    return f"dropped by {row.filter} ({row.column} {row.value}, {row.comparison} {row.threshold})"


def _finding(code: str, subset: str, message: str) -> Finding:
    return Finding(code, subset, f"{subset}: {message}")
