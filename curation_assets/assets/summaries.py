"""Every file of summaries/ that a score of the recipe reads: a small table, merged from all shards one after the other."""

import inspect
from collections.abc import Mapping

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.errors import SchemaError
from curation_assets.holdings.project import Project
from curation_assets.instance import Instance
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.spec import Values
from curation_assets.tables import Key
from resources.delta import Lake

from .batch import run_steps
from .catalogue import asset_spec
from .score_columns import complete_rows, outside_paths, whole_inputs
from .step import Made, Step

Partial = Mapping[str, Values]


def summary_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """One asset per summary that the graph has."""
    return [_summary_asset(key, recipe, graph) for key in graph if key[0] == "summaries"]


def _summary_asset(key: Key, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    meaning = inspect.getdoc(graph[key].instance.method.compute) or ""

    @dg.multi_asset(name="__".join(key), specs=[asset_spec(graph[key], meaning)])
    def summary(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            found, rows = _summary(step, graph[key].instance)
            context.log.info(f"{graph[key].name}: {len(next(iter(found.values()))):,} rows from {rows:,}")
            return [Made(step.draft(key, found, {"rows_made": rows}), {"rows_in": rows})]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return summary


def _summary(step: Step, instance: Instance) -> tuple[dict[str, pa.Array], int]:
    """The summary's columns, and how many rows it was made from."""
    whole, settings = whole_inputs(step), {**instance.settings, **outside_paths(step, instance)}
    names, method = list(instance.sources), instance.method
    rows_in, merged = 0, None
    # One that reads small tables alone has nothing to merge.
    for shard in step.shards if len(whole) < len(names) else [None]:
        columns = complete_rows(step, shard) if shard is not None else {}
        rows_in += len(next(iter(columns.values()), ()))
        partial = method.compute(*(whole[n] if n in whole else columns[n] for n in names), **settings)
        merged = _merged(instance, [*([merged] if merged else []), partial], settings)
    if merged is None:
        raise SchemaError(f"{instance.name}: the pool has no shard")
    return {c.name: pa.array(merged[c.name], c.type, from_pandas=True) for c in instance.columns}, rows_in


def _merged(instance: Instance, partials: list[Partial], settings: Mapping[str, object]) -> Partial:
    """Merged with what is known so far after every shard, so that the whole never stands in memory."""
    joined = {c.name: np.concatenate([np.asarray(part[c.name]) for part in partials]) for c in instance.columns}
    return instance.method.merge(joined, **settings)
