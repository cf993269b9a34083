"""Every file of scores/ as a sharded asset: table, schema, checks and histograms come with it."""

import dagster as dg
import pyarrow as pa

from curation_assets.algorithms.measurement import measure
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.spec import Score
from curation_assets.tables import Key
from resources.delta import Lake

from .batch import run_steps
from .catalogue import most_frequent
from .checks import alignment, bounds
from .gathering_scores import gathering_score_asset
from .reuse import find_reusable
from .score_columns import bound_score, columns_by_owner, score_asset, score_inputs, summaries
from .step import Made, Step

_POOL: Key = ("raw_pool",)


def score_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """One asset per score that the graph has."""
    nodes = [node for node in graph.values() if node.key[0] == "scores"]
    return [(gathering_score_asset if node.gathers else _score_asset)(node.key, recipe, graph) for node in nodes]


def _score_asset(key: Key, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    name = key[-1]

    @score_asset(key, graph)
    def asset(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            score, inputs = bound_score(step), score_inputs(step)
            reuse = find_reusable(step, columns_by_owner(step))
            columns = reuse.completed(lambda fresh: _measured(score, inputs.take(fresh)))
            draft = step.draft(key, {"row": inputs["row"], **columns}, reuse.facts)
            reasons = reason_counts(columns["reason"].to_pylist())
            context.log.info(f"{name}[{step.shard}]: {reuse.summary}, without a value {reasons}")
            checks = [
                alignment(key, draft.table["row"], step.read(_POOL, ["row"])["row"]),
                bounds(key, score.columns, columns),
            ]
            metadata = {"not_measured": most_frequent(reasons), **reuse.facts}
            return [Made(draft, metadata, checks, pictures=lambda: summaries(score, columns))]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return asset


def _measured(score: Score, inputs: pa.Table) -> dict[str, pa.Array]:
    """The score's columns, and the reason of each NULL."""
    columns = {name: inputs[name].combine_chunks() for name in inputs.column_names}
    return measure(score, {name: columns[name] for name in score.inputs}, columns.get("reason"))
