"""Which weights make the embeddings, the small network that can be trained for it here, and the embeddings themselves."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.errors import EncoderError
from curation_assets.graph import Graph, Key
from curation_assets.recipe import Recipe
from resources.clip import ClipEncoder
from resources.decode import ImageBytes
from resources.delta import Lake
from resources.encoder import Encoded

from .catalogue import asset_spec, check_spec, most_frequent, reason_counts
from .checks import alignment, unit_norm
from .project import Project
from .step import Draft, Step

_ENCODER: Key = ("encoder",)
_NETWORK: Key = ("filter_network",)
_EMBEDDINGS: Key = ("embeddings",)
_POOL: Key = ("raw_pool",)


class LoadedEncoder(Protocol):
    """What embedding needs of a model; the tests have a small one of their own."""

    name: str
    weights_sha256: str
    dimensions: int
    image_size_px: int
    device: str

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded: ...


def encoder_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """`encoder` and `embeddings`."""
    return [_encoder(recipe, graph), _embeddings(recipe, graph)]


def _encoder(recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    @dg.multi_asset(name="encoder", specs=[asset_spec(graph[_ENCODER], _ENCODER_MEANING)], pool="gpu")
    def encoder(context: dg.AssetExecutionContext, lake: Lake, clip: dg.ResourceParam[ClipEncoder]):
        project = Project(recipe, graph, lake)
        step = Step(project, _ENCODER, None, context.run.run_id)
        if recipe.file.encoder.train:
            trained = step.read(_NETWORK).to_pylist()[0]
            weights, network = trained["network_weights"], trained["network_configuration"]
        else:
            weights, network = str(recipe.file.encoder.pretrained), str(recipe.file.encoder.model)
        loaded = load_encoder(clip, lake, weights, network)
        columns = {
            "weights_sha256": [loaded.weights_sha256],
            "encoder_name": ["filter_network" if recipe.file.encoder.train else f"{network} {Path(weights).name}"],
            "weights": [weights],
            "network": [network],
            "dimensions": [loaded.dimensions],
            "encoder_image_size_px": [loaded.image_size_px],
        }
        draft = step.draft(
            _ENCODER, {name: pa.array(value) for name, value in columns.items()}, data_version=loaded.weights_sha256
        )
        facts = {name: value[0] for name, value in columns.items() if name != "network"}
        return step.commit(draft, {**facts, "device": loaded.device}, [])

    return encoder


def _embeddings(recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="embeddings",
        specs=[asset_spec(graph[_EMBEDDINGS], _EMBEDDINGS_MEANING)],
        check_specs=[
            check_spec(_EMBEDDINGS, "alignment", "one row per row of raw_pool, in its order", graph),
            check_spec(_EMBEDDINGS, "unit_norm", "every vector is finite and of L2 norm 1", graph),
        ],
        pool="gpu",
    )
    def embeddings(context: dg.AssetExecutionContext, lake: Lake, clip: dg.ResourceParam[ClipEncoder]):
        step = Step(Project(recipe, graph, lake), _EMBEDDINGS, context.partition_key, context.run.run_id)
        recorded = step.read(_ENCODER).to_pylist()[0]
        loaded = load_encoder(clip, lake, recorded["weights"], recorded["network"])
        if loaded.weights_sha256 != recorded["weights_sha256"]:
            raise EncoderError(
                f"the weights at {recorded['weights']} are no longer those of the asset encoder; materialize encoder again"
            )
        pool = step.read(_POOL, ["row", "text", "tar", "offset_bytes", "image_bytes"])
        encoded = loaded.encode(image_places(pool, recipe), pool["text"].to_pylist(), context.log.info)
        is_measured = np.array([error is None for error in encoded.errors], bool)
        rows = {
            "row": pool["row"],
            "image_embedding": to_binary(encoded.image_embedding, "<f2", is_measured),
            "text_embedding": to_binary(encoded.text_embedding, "<f2", is_measured),
            "reason": pa.array(encoded.errors, pa.string()),
        }
        draft = step.draft(_EMBEDDINGS, rows)
        reasons = reason_counts(encoded.errors)
        context.log.info(f"embeddings[{step.shard}]: {draft.rows:,} rows on {loaded.device}, not embedded {reasons}")
        metadata = {"not_embedded": most_frequent(reasons), "device": loaded.device, "dimensions": loaded.dimensions}
        return step.commit(draft, metadata, _embedding_checks(draft, pool))

    return embeddings


def image_places(pool: pa.Table, recipe: Recipe) -> list[ImageBytes]:
    """Where the image bytes of rows of raw_pool lie on this machine."""
    tars = {name: str(recipe.folder / name) for name in pool["tar"].unique().to_pylist()}
    columns = (pool[name].to_pylist() for name in ("tar", "offset_bytes", "image_bytes"))
    return [ImageBytes(tars[tar], offset, length) for tar, offset, length in zip(*columns, strict=True)]


def load_encoder(clip: ClipEncoder, lake: Lake, weights: str, network: str) -> LoadedEncoder:
    """The encoder that a row of the table `encoder` describes.

    `network` is an OpenCLIP model name, or the configuration of a network of our own as JSON.
    """
    key = (repr(clip), lake.root, weights, network)
    if key not in _loaded:
        _loaded.clear()  # one model in memory at a time
        is_own = network.startswith("{")
        _loaded[key] = clip.load_network(json.loads(network), Path(lake.root) / weights) if is_own else clip.load()
    return _loaded[key]


# The model of the last step: shards of one process come one after the other, and loading takes longer than a small shard.
_loaded: dict[tuple[str, ...], LoadedEncoder] = {}


def _embedding_checks(draft: Draft, pool: pa.Table) -> list[dg.AssetCheckResult]:
    names = ("image_embedding", "text_embedding")
    matrices = {name: from_binary(draft.table[name].drop_null(), "<f2") for name in names}
    return [alignment(_EMBEDDINGS, draft.table["row"], pool["row"]), unit_norm(_EMBEDDINGS, matrices)]


_ENCODER_MEANING = """The model that makes the embeddings; its data version is the sha256 of its weights.

    Another checkpoint makes embeddings out of date; the same weights under another file name do not.
    """
_EMBEDDINGS_MEANING = """CLIP vectors of every image and caption, L2 norm 1, stored as float16.

    One row per row of raw_pool. Both vectors are NULL, with the reason, where the image could not be decoded.
    """
