"""Subsets: decisions over stored scores, each row kept or dropped by a named filter with its value and threshold."""

from collections.abc import Iterator

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.decisions import Decisions, spelled
from curation_assets.algorithms.order_statistics import Cut, Shard, streamed_cut
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.holdings.project import Project
from curation_assets.holdings.stored import Read, decided, population
from curation_assets.keep import fractions
from curation_assets.nodes import Graph, cut_key
from curation_assets.recipe import Recipe, SubsetPlan
from curation_assets.spec import Fraction
from curation_assets.tables import Key
from resources.delta import Lake

from .batch import run_steps
from .catalogue import asset_spec, check_spec
from .changes import changes
from .checks import accounting, kept_fraction
from .gallery import gallery
from .step import Made, Step

_POOL: Key = ("raw_pool",)
_IDENTITY = ("row", "uid_hi", "uid_lo")
# A population of up to this many rows (24 bytes each) is read once and kept in memory, a larger one is read once per pass.
_MOST_ROWS_HELD = 4_000_000


def subset_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """For every subset of the recipe: its rows, its decisions, and one cut per fraction among its filters."""
    return [
        definition
        for plan in recipe.subsets
        for definition in (
            *(_cut(plan, number, fraction, recipe, graph) for number, fraction in enumerate(fractions(plan.keep))),
            _subset(plan, recipe, graph),
        )
    ]


def _subset(plan: SubsetPlan, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key, ledger = ("subsets", plan.name), ("decisions", plan.name)
    source = f"the subset `{plan.source}`" if plan.source else "the whole pool"
    meaning = f"Rows of {source} that pass {spelled(plan.keep)}."

    @dg.multi_asset(
        name=f"subsets__{plan.name}",
        specs=[asset_spec(graph[key], meaning), asset_spec(graph[ledger], f"{_LEDGER_MEANING} {meaning}")],
        check_specs=[
            check_spec(key, "accounting", "rows of the source = kept + dropped by a named filter", graph),
            check_spec(key, "kept_fraction", "the share kept is within the recipe's bounds", graph, is_blocking=False),
        ],
    )
    def subset(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            rows = step.read(_POOL if plan.source is None else ("subsets", plan.source), list(_IDENTITY))
            decisions = decided(step.read, graph, plan, rows)
            cost = {"rows_made": len(rows)}
            ledger_draft = step.draft(ledger, {**_identity(rows), **ledger_columns(decisions)}, cost)
            draft = step.draft(key, _identity(rows.filter(pa.array(decisions.is_kept))), cost)
            reasons = reason_counts(decisions.filter)
            context.log.info(f"{plan.name}[{step.shard}]: kept {draft.rows:,} of {len(rows):,}, dropped by {reasons}")
            checks = [
                accounting(key, len(rows), draft.rows, reasons),
                kept_fraction(key, draft.rows, len(rows), plan.kept_fraction),
            ]
            metadata = {"rows_in": len(rows), "dropped_by": reasons}
            if len(rows):
                metadata["kept_fraction"] = draft.rows / len(rows)

            changed = changes(step, plan, (draft, ledger_draft))

            def pictures() -> dict[str, object]:
                return {**changed.samples(), **gallery(step.read(_POOL), rows["row"].to_numpy(), decisions, recipe)}

            return [Made(ledger_draft, metadata), Made(draft, {**metadata, **changed.counts()}, checks, pictures)]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return subset


def _cut(plan: SubsetPlan, number: int, fraction: Fraction, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key = cut_key(plan.name, number)
    over = "the whole pool" if fraction.over == "pool" or plan.source is None else f"the subset `{plan.source}`"
    meaning = f"Last row of the best {fraction.fraction:.6g} of {over} by {fraction.column}; ties are decided by uid."

    @dg.multi_asset(name="__".join(key), specs=[asset_spec(graph[key], meaning)])
    def cut(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            source = graph[key].inputs[0]

            def shards() -> Iterator[Shard]:
                return (population(_reads(step, shard), graph, source, fraction.column) for shard in step.shards)

            held = list(shards()) if _rows(step, source) <= _MOST_ROWS_HELD else None
            found = streamed_cut(
                shards if held is None else lambda: held, fraction.fraction, fraction.keep, is_parity=fraction.is_parity
            )
            draft = step.draft(key, _cut_columns(fraction, found), {"rows_made": found.population})
            context.log.info(f"{graph[key].name}: {found.rows:,} of {found.population:,} rows, cut at {found.value}")
            metadata = {"population": found.population, "kept": found.rows}
            if found.value is not None:
                metadata["cut_value"] = found.value
            return [Made(draft, metadata)]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return cut


def _cut_columns(fraction: Fraction, found: Cut) -> dict[str, pa.Array | np.ndarray]:
    last_hi, last_lo = (np.array([half], np.uint64).view(np.int64) for half in found.last_uid)
    return {
        "fraction": pa.array([fraction.fraction]),
        "population": pa.array([found.population]),
        "cut_rows": pa.array([found.rows]),
        "cut_value": pa.array([found.value], pa.float64()),
        "cut_uid_hi": last_hi,
        "cut_uid_lo": last_lo,
    }


def ledger_columns(decisions: Decisions) -> dict[str, pa.Array | np.ndarray]:
    """Decisions as columns of the ledger; numbers and texts have columns of their own."""
    columns: dict[str, pa.Array | np.ndarray] = {
        "is_kept": decisions.is_kept,
        "filter": pa.array(decisions.filter, pa.string()),
        "column": pa.array(decisions.column, pa.string()),
        "comparison": pa.array(decisions.comparison, pa.string()),
    }
    for name in ("value", "threshold"):
        values = getattr(decisions, name)
        columns[name] = pa.array([None if v is None or isinstance(v, str) else float(v) for v in values], pa.float64())
        columns[f"{name}_text"] = pa.array([v if isinstance(v, str) else None for v in values], pa.string())
    return columns


def _identity(rows: pa.Table) -> dict[str, pa.Array]:
    return {name: rows[name].combine_chunks() for name in _IDENTITY}


def _reads(step: Step, shard: str) -> Read:
    return lambda key, columns: step.read(key, columns, shard)


def _rows(step: Step, source: Key) -> int:
    return sum(int(str(step.state.records[source][shard]["rows"])) for shard in step.shards)


_LEDGER_MEANING = "Why each row of the source was kept or dropped: first failing filter, value, threshold."
