"""Datasets: a new published version whenever the content of a subset with `publish: true` has changed."""

import json

import dagster as dg

from curation_assets.algorithms.decisions import spelled
from curation_assets.audit.publish import publish
from curation_assets.graph import dataset_node
from curation_assets.holdings.project import Project
from curation_assets.holdings.state import read_state
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe, SubsetPlan
from resources.delta import Lake

from .catalogue import asset_spec
from .events import materialize_result
from .step import Draft, Made

_SHOWN = ("note", "published_at", "funnel", "filters", "licences", "packages")


def dataset_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """One asset for every subset that the recipe wants published."""
    return [_dataset(plan, recipe, graph) for plan in recipe.subsets if ("datasets", plan.name) in graph]


def _dataset(plan: SubsetPlan, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key = dataset_node(plan.name).key
    source = f"the subset `{plan.source}`" if plan.source else "the whole pool"
    meaning = f"{_MEANING} `{plan.name}` is rows of {source} that pass {spelled(plan.keep)}."

    @dg.multi_asset(name=f"datasets__{plan.name}", specs=[asset_spec(graph[key], meaning)])
    def dataset(context: dg.AssetExecutionContext, lake: Lake):
        project = Project(recipe, graph, lake)
        before = read_state(project)
        version, is_new = publish(project, plan.name, run_id=context.run.run_id)
        manifest = version.manifest
        did = "published" if is_new else "has the same content as"
        context.log.info(f"{plan.name}: {did} {version.name}, {manifest['rows']:,} rows, content {manifest['content_digest']}")
        shown = {name: manifest[name] for name in _SHOWN}
        metadata = {
            "dataset_version": version.name,
            "is_new": is_new,
            "rows": int(str(manifest["rows"])),
            "content_digest": str(manifest["content_digest"]),
            "path": dg.MetadataValue.path(str(version.folder)),
            "manifest": dg.MetadataValue.json(json.loads(json.dumps(shown))),
        }
        written = lake.snapshot(graph[key].name)
        draft = Draft(key, None, written.read(None), dict(written.records[None]))
        yield materialize_result(before, Made(draft, metadata), written.version)

    return dataset


_MEANING = """Published versions: a row each, with digests and manifest.

    A version is made when the rows of its subset, or what is known of them, have changed. It is a folder of its own below
    `published/` in the lake, with frozen copies of all tables that it was made from, and never changes.
    `curate verify` proves it.
    """
