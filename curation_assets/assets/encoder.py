"""Which weights make the embeddings, the small network that can be trained for it here, and the embeddings themselves."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation_assets.algorithms.labels import labelled
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.errors import EncoderError
from curation_assets.holdings.image_places import image_places
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.tables import Key
from resources.clip import ClipEncoder
from resources.decode import ImageBytes
from resources.delta import Lake
from resources.encoder import Encoded

from .batch import run_steps
from .catalogue import asset_spec, check_spec, most_frequent
from .checks import alignment, unit_norm
from .reuse import find_reusable
from .step import Draft, Made, Step
from .stored_features import stored_embeddings, stored_encoder

_NETWORK: Key = ("filter_network",)
_POOL: Key = ("raw_pool",)
NO_PIXELS = "the pool holds no pixels"


class LoadedEncoder(Protocol):
    """What embedding needs of a model; the tests have a small one of their own."""

    name: str
    weights_sha256: str
    dimensions: int
    image_size_px: int
    device: str

    def encode(self, images: Sequence[ImageBytes], texts: Sequence[str], log: Callable[[str], None]) -> Encoded: ...

    def encode_texts(self, texts: Sequence[str], log: Callable[[str], None]) -> tuple[np.ndarray, list[str | None]]: ...


def encoder_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """`encoder` and `embeddings` of every encoder of the recipe."""
    return [part(label, recipe, graph) for label in recipe.encoders for part in (_encoder, _embeddings)]


def clip_resource(label: str) -> str:
    """Name of the Dagster resource that loads an encoder."""
    return labelled("clip", label)[0]


def _encoder(label: str, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key, section, resource = labelled("encoder", label), recipe.encoders[label], clip_resource(label)

    @dg.multi_asset(
        name=key[0], specs=[asset_spec(graph[key], _ENCODER_MEANING)], pool="gpu", required_resource_keys={"lake", resource}
    )
    def encoder(context: dg.AssetExecutionContext):
        lake: Lake = context.resources.lake

        def make(step: Step) -> list[Made]:
            if section.features is not None:
                return [stored_encoder(step, section.features)]
            if section.train:
                trained = step.read(_NETWORK).to_pylist()[0]
                weights, network = trained["network_weights"], trained["network_configuration"]
            else:
                weights, network = str(section.pretrained), str(section.model)
            _loaded.clear()  # a file of the same name may hold other weights now
            loaded = load_encoder(getattr(context.resources, resource), lake, weights, network)
            facts = {
                "weights_sha256": loaded.weights_sha256,
                "encoder_name": "filter_network" if section.train else f"{network} {Path(weights).name}",
                "weights": weights,
                "dimensions": loaded.dimensions,
                "encoder_image_size_px": loaded.image_size_px,
            }
            columns = {name: pa.array([value]) for name, value in {**facts, "network": network}.items()}
            draft = step.draft(key, columns, data_version=loaded.weights_sha256)
            return [Made(draft, {**facts, "device": loaded.device})]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return encoder


def _embeddings(label: str, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    key, features, resource = labelled("embeddings", label), recipe.encoders[label].features, clip_resource(label)

    @dg.multi_asset(
        name=key[0],
        specs=[asset_spec(graph[key], _EMBEDDINGS_MEANING)],
        check_specs=[
            check_spec(key, "alignment", "one row per row of raw_pool, in its order", graph),
            check_spec(key, "unit_norm", "every vector is finite and of L2 norm 1", graph),
        ],
        pool="gpu",
        required_resource_keys={"lake", resource},
    )
    def embeddings(context: dg.AssetExecutionContext):
        lake: Lake = context.resources.lake

        def make(step: Step) -> list[Made]:
            if features is not None:
                pool = step.read(_POOL, ["row"])
                draft, metadata = stored_embeddings(step, pool["row"], features)
                return [Made(draft, metadata, _embedding_checks(draft, pool))]
            loaded = recorded_encoder(step, getattr(context.resources, resource), label)
            pool = step.read(_POOL, ["row", "text", "tar", "offset_bytes", "image_bytes"])
            reuse = find_reusable(step, {_POOL: ["image_sha256", "text"]})
            columns = reuse.completed(lambda fresh: _embed(step, loaded, pool.take(fresh), context.log.info))
            draft = step.draft(key, {"row": pool["row"], **columns}, reuse.facts)
            reasons = reason_counts(columns["reason"].to_pylist())
            context.log.info(f"{key[0]}[{step.shard}]: {reuse.summary} on {loaded.device}, not embedded {reasons}")
            metadata = {"not_embedded": most_frequent(reasons), "device": loaded.device, "dimensions": loaded.dimensions}
            return [Made(draft, {**metadata, **reuse.facts}, _embedding_checks(draft, pool))]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return embeddings


def recorded_encoder(step: Step, clip: ClipEncoder, label: str = "") -> LoadedEncoder:
    """The encoder that the asset `encoder` of a label names, loaded.

    Raises:
        EncoderError: the weights are no longer those.
    """
    recorded = step.read(labelled("encoder", label)).to_pylist()[0]
    loaded = load_encoder(clip, step.project.lake, recorded["weights"], recorded["network"])
    if loaded.weights_sha256 != recorded["weights_sha256"]:
        _loaded.clear()
        loaded = load_encoder(clip, step.project.lake, recorded["weights"], recorded["network"])
    if loaded.weights_sha256 != recorded["weights_sha256"]:
        raise EncoderError(
            f"the weights at {recorded['weights']} are no longer those of the asset encoder; materialize encoder again"
        )
    return loaded


def _embed(step: Step, loaded: LoadedEncoder, pool: pa.Table, log: Callable[[str], None]) -> dict[str, pa.Array]:
    """Columns of embeddings for rows of raw_pool; the tar must be the same before and after, or the pictures are others."""
    has_pixels = pool["tar"].is_valid()
    pictured = pool.filter(has_pixels)
    step.require_unchanged_tar()
    encoded = loaded.encode(image_places(pictured, step.project.recipe), pictured["text"].to_pylist(), log)
    step.require_unchanged_tar()
    is_measured = np.array([error is None for error in encoded.errors], bool)
    columns = {
        "image_embedding": to_binary(encoded.image_embedding, "<f2", is_measured),
        "text_embedding": to_binary(encoded.text_embedding, "<f2", is_measured),
        "reason": pa.array(encoded.errors, pa.string()),
    }
    if len(pictured) == len(pool):
        return columns
    shown = has_pixels.to_numpy()
    at = pa.array(np.cumsum(shown) - 1, mask=~shown)
    spread = {name: column.take(at) for name, column in columns.items()}
    return {**spread, "reason": pc.if_else(has_pixels.combine_chunks(), spread["reason"], NO_PIXELS)}


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
    return [alignment(draft.key, draft.table["row"], pool["row"]), unit_norm(draft.key, matrices)]


_ENCODER_MEANING = """The model that makes the embeddings; its data version is the sha256 of its weights.

    Another checkpoint makes embeddings out of date; the same weights under another file name do not. Where the pool holds
    features, it is their names.
    """
_EMBEDDINGS_MEANING = """CLIP vectors of every image and caption, L2 norm 1, stored as float16.

    One row per row of raw_pool. Both vectors are NULL, with the reason, where the image could not be decoded, or the stored
    features cannot be used.
    """
