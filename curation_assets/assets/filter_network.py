"""The small CLIP that can be trained on a subset of the pool and then filter, or embed, all of it."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.sampling import keyed_sample
from curation_assets.errors import EncoderError
from curation_assets.holdings.image_places import image_places
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.tables import Key
from resources.delta import Lake
from resources.training import TrainedNetwork, TrainingSettings, train_clip

from .batch import run_steps
from .catalogue import asset_spec
from .pictures import inline, line_chart
from .step import Made, Step

_NETWORK: Key = ("filter_network",)
_POOL: Key = ("raw_pool",)


def filter_network_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """`filter_network`, if the recipe has that section."""
    section = recipe.file.filter_network
    if section is None:
        return []
    settings = TrainingSettings(**section.model_dump(exclude={"train_on", "max_pairs"}))

    @dg.multi_asset(name="filter_network", specs=[asset_spec(graph[_NETWORK], _MEANING)], pool="gpu")
    def filter_network(context: dg.AssetExecutionContext, lake: Lake):
        if not lake.is_local:
            raise EncoderError(f"filter_network keeps its checkpoints in the lake, which must be a folder; it is {lake.root}")

        def make(step: Step) -> list[Made]:
            pairs = _training_pairs(step, ("subsets", section.train_on), section.max_pairs, section.seed)
            context.log.info(f"training on {len(pairs):,} pairs of {section.train_on} for {section.epochs} epochs")
            trained = train_clip(
                image_places(pairs, recipe),
                pairs["text"].to_pylist(),
                settings=settings,
                folder=Path(lake.root) / "_models" / "filter_network",
                log=context.log.info,
            )
            return [Made(step.draft(_NETWORK, _columns(trained, lake)), _metadata(trained))]

        yield from run_steps(context, Project(recipe, graph, lake), _NETWORK, make)

    return [filter_network]


def _columns(trained: TrainedNetwork, lake: Lake) -> dict[str, pa.Array]:
    return {
        "network_sha256": pa.array([trained.weights.stem]),
        "network_weights": pa.array([trained.weights.relative_to(lake.root).as_posix()]),
        "network_configuration": pa.array([json.dumps(trained.config, sort_keys=True)]),
        "network_pairs": pa.array([trained.training_pairs]),
        "network_auc": pa.array([trained.holdout_auc], pa.float64()),
        "network_losses": pa.array([trained.epoch_losses], pa.list_(pa.float64())),
    }


def _training_pairs(step: Step, subset: Key, size: int, seed: int) -> pa.Table:
    """Rows of raw_pool that are in the subset, at most `size` of them by keyed hash."""
    parts = []
    for shard in step.shards:
        rows = step.read(subset, ["row"], shard)["row"].to_numpy()
        columns = ["row", "uid_hi", "uid_lo", "text", "tar", "offset_bytes", "image_bytes"]
        pool = step.read(_POOL, columns, shard)
        parts.append(pool.filter(pa.array(np.isin(pool["row"].to_numpy(), rows))))
    pairs = pa.concat_tables(parts)
    chosen = keyed_sample(pairs["uid_hi"].to_numpy(), pairs["uid_lo"].to_numpy(), size, seed=seed, method="filter_network")
    return pairs.take(pa.array(chosen))


def _metadata(trained: TrainedNetwork) -> dict[str, object]:
    return {
        "network_sha256": trained.weights.stem,
        "holdout_auc": trained.holdout_auc,
        "training_pairs": trained.training_pairs,
        "holdout_pairs": trained.holdout_pairs,
        "undecodable_pairs": trained.undecodable_pairs,
        "training_s": trained.seconds,
        "samples_per_s": trained.samples_per_s,
        "loss": inline(line_chart(np.array(trained.step_losses)), "contrastive loss per step, nats"),
    }


_MEANING = """A small CLIP trained from scratch on a subset of the pool, after Data Filtering Networks (arXiv:2309.17425).

    Seeded and resumable: a killed training goes on from its last epoch and ends with the same weights. The holdout AUC tells
    matched from swapped captions on pairs that it has not seen.
    """
