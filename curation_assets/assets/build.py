"""All assets, resources and jobs of a recipe as one Dagster Definitions object."""

from collections.abc import Mapping

import dagster as dg

from curation_assets.graph import build_graph
from curation_assets.recipe import Recipe
from resources.clip import ClipEncoder
from resources.delta import Lake
from resources.kmeans import KMeans

from .audit_report import audit_definitions
from .clusters import cluster_assets
from .console import console_lines
from .datasets import dataset_assets
from .encoder import clip_resource, encoder_assets
from .filter_network import filter_network_assets
from .perceptual_hashes import perceptual_hash_assets
from .pool import pool_assets
from .scores import score_assets
from .sensors import automation_definitions
from .subsets import subset_assets
from .summaries import summary_assets
from .targets import target_assets


def build_definitions(recipe: Recipe, resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Everything that Dagster knows of a recipe.

    Args:
        recipe: what to curate.
        resources: replacements by name: `lake`, `clip`, `kmeans`.

    Raises:
        RecipeError: artifacts need each other in a circle.
    """
    graph = build_graph(recipe)
    assets = [
        *pool_assets(recipe, graph),
        *filter_network_assets(recipe, graph),
        *encoder_assets(recipe, graph),
        *cluster_assets(recipe, graph),
        *perceptual_hash_assets(recipe, graph),
        *target_assets(recipe, graph),
        *summary_assets(recipe, graph),
        *score_assets(recipe, graph),
        *subset_assets(recipe, graph),
        *dataset_assets(recipe, graph),
    ]
    curated = dg.Definitions(
        assets=assets,
        resources={**recipe_resources(recipe), **(resources or {})},
        loggers={"console": console_lines},
        executor=dg.in_process_executor,  # a process per step would load the model once per shard
    )
    automation = automation_definitions(recipe, lambda present: build_definitions(present, resources))
    return dg.Definitions.merge(curated, automation, audit_definitions(recipe, graph))


def recipe_resources(recipe: Recipe) -> dict[str, dg.ConfigurableResource]:
    """The resources that a recipe's settings mean."""
    encoders = {
        clip_resource(label): ClipEncoder(
            model=encoder.model or "",
            pretrained=str(recipe.checkpoint(label) or encoder.pretrained or ""),
            preprocess_as=encoder.preprocess_as or "",
            device=encoder.device,
            precision=encoder.precision,
            batch_size=encoder.batch_size,
            decode_workers=encoder.decode_workers,
        )
        for label, encoder in recipe.encoders.items()
    }
    clusters = recipe.file.clusters
    return {"lake": Lake(root=recipe.lake), **encoders, "kmeans": KMeans(iterations=clusters.iterations, seed=clusters.seed)}
