"""Every file of scores/ as a sharded asset: table, schema, checks and histograms come with it."""

import inspect

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.measurement import measure
from curation_assets.graph import Graph, Key
from curation_assets.recipe import Recipe
from curation_assets.scores import all_scores
from curation_assets.spec import Score
from curation_assets.tables import MEASURED
from resources.delta import Lake

from .catalogue import asset_spec, check_spec, most_frequent, reason_counts
from .checks import alignment, bounds
from .pictures import histogram, inline
from .project import Project
from .step import Step

_POOL: Key = ("raw_pool",)


def score_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """One asset per score."""
    return [_score_asset(name, score, recipe, graph) for name, score in all_scores().items()]


def _score_asset(name: str, score: Score, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key: Key = ("scores", name)

    @dg.multi_asset(
        name=f"scores__{name}",
        specs=[asset_spec(graph[key], inspect.getdoc(score.compute) or "")],
        check_specs=[
            check_spec(key, "alignment", "one row per row of raw_pool, in its order", graph),
            check_spec(key, "bounds", "every value lies between the bounds that the score declares", graph),
        ],
    )
    def score_asset(context: dg.AssetExecutionContext, lake: Lake):
        step = Step(Project(recipe, graph, lake), key, context.partition_key, context.run.run_id)
        inputs = _inputs(step, score)
        columns = measure(score, {column: inputs[column] for column in score.inputs}, inputs.get("reason"))
        draft = step.draft(key, {"row": inputs["row"], **columns})
        reasons = reason_counts(columns["reason"].to_pylist())
        context.log.info(f"{name}[{context.partition_key}]: {draft.rows:,} rows, without a value {reasons}")
        checks = [
            alignment(key, draft.table["row"], step.read(_POOL, ["row"])["row"]),
            bounds(key, score.columns, columns),
        ]
        return step.commit(draft, {"not_measured": most_frequent(reasons), **_summaries(score, columns)}, checks)

    return score_asset


def _inputs(step: Step, score: Score) -> dict[str, pa.Array]:
    """The score's input columns, with `row`, and `reason` if one of its inputs keeps reasons."""
    found: dict[str, pa.Array] = {}
    for owner, table in MEASURED.items():
        wanted = [column for column in score.inputs if column in table.names]
        if not wanted and owner != "raw_pool":
            continue
        with_reason = [*wanted, "reason"] if "reason" in table.names else wanted
        rows = step.read((owner,), list(dict.fromkeys(["row", *with_reason])))
        found |= {name: rows[name].combine_chunks() for name in rows.column_names}
    return found


def _summaries(score: Score, columns: dict[str, pa.Array]) -> dict[str, object]:
    """Histogram and mean of each numeric column, counts of each label."""
    summaries: dict[str, object] = {}
    for column in score.columns:
        values = pc.drop_null(columns[column.name])
        if column.is_number:
            numbers = values.to_numpy(zero_copy_only=False)
            summaries[f"histogram_{column.name}"] = inline(histogram(numbers), f"histogram of {column.name}")
            if len(numbers):
                summaries[f"mean_{column.name}"] = float(np.mean(numbers))
        else:
            counts = reason_counts(values.to_pylist())
            summaries[f"counts_{column.name}"] = dg.MetadataValue.json(dict(list(counts.items())[:30]))
    return summaries
