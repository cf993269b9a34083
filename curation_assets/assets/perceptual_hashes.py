"""Perceptual hashes of every picture, for methods that look for copies."""

from collections.abc import Mapping

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.perceptual_hash import PerceptualHashes, detail_bytes, perceptual_hashes
from curation_assets.algorithms.reason_counts import reason_counts
from curation_assets.audit.near_pictures import words_of
from curation_assets.holdings.image_places import image_places
from curation_assets.holdings.project import Project
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.tables import Key
from resources.delta import Lake
from resources.grey_pictures import grey_pictures
from resources.threads import available_cores

from .batch import run_steps
from .catalogue import asset_spec, check_spec, most_frequent
from .checks import alignment
from .encoder import NO_PIXELS
from .reuse import find_reusable
from .step import Made, Step

_HASHES: Key = ("perceptual_hashes",)
_POOL: Key = ("raw_pool",)
_PLACE = ("tar", "offset_bytes", "image_bytes")
_ROWS_AT_ONCE = 8192  # pictures of 1 kB each


def perceptual_hash_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """`perceptual_hashes`, if a score of the graph reads it."""
    return [_perceptual_hashes(recipe, graph)] if _HASHES in graph else []


def _perceptual_hashes(recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="perceptual_hashes",
        specs=[asset_spec(graph[_HASHES], _MEANING)],
        check_specs=[check_spec(_HASHES, "alignment", "one row per row of raw_pool, in its order", graph)],
    )
    def hashes(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            pool = step.read(_POOL, ["row", "tar", "offset_bytes", "image_bytes"])
            reuse = find_reusable(step, {_POOL: ["image_sha256"]})
            columns = reuse.completed(lambda fresh: _columns(step, pool.take(fresh)))
            draft = step.draft(_HASHES, {"row": pool["row"], **columns}, reuse.facts)
            reasons = reason_counts(columns["reason"].to_pylist())
            context.log.info(f"perceptual_hashes[{step.shard}]: {reuse.summary}, without a hash {reasons}")
            metadata = {"not_hashed": most_frequent(reasons), **reuse.facts}
            return [Made(draft, metadata, [alignment(_HASHES, draft.table["row"], pool["row"])])]

        yield from run_steps(context, Project(recipe, graph, lake), _HASHES, make)

    return hashes


def _columns(step: Step, pool: pa.Table) -> dict[str, pa.Array]:
    """Hashes of rows of raw_pool; the shard's file must be the same before and after, or the pictures are others."""
    step.require_unchanged_tar()
    parts = [_part(step, pool.slice(start, _ROWS_AT_ONCE)) for start in range(0, len(pool), _ROWS_AT_ONCE)]
    step.require_unchanged_tar()
    parts = parts or [_part(step, pool)]
    return {name: pa.concat_arrays([part[name] for part in parts]) for name in parts[0]}


def picture_words(pool: Mapping[str, pa.Array | np.ndarray], recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes of rows that are about to become raw_pool's, as words, and where there are any."""
    rows = pa.table({name: pool[name] for name in _PLACE})
    parts = [_hashed(rows.slice(start, _ROWS_AT_ONCE), recipe) for start in range(0, len(rows), _ROWS_AT_ONCE)]
    return np.concatenate([words_of(found) for found, _ in parts]), np.concatenate([r for _, r in parts]) == np.array(None)


def _part(step: Step, pool: pa.Table) -> dict[str, pa.Array]:
    found, reasons = _hashed(pool, step.project.recipe)
    is_missing = reasons != np.array(None)
    return {
        "perceptual_hash": pa.array(found.plain, mask=is_missing),
        "mirrored_hash": pa.array(found.mirrored, mask=is_missing),
        "detail_hash": pa.array(np.array(detail_bytes(found.detail), object), pa.binary(), mask=is_missing),
        "reason": pa.array(reasons, pa.string()),
    }


def _hashed(pool: pa.Table, recipe: Recipe) -> tuple[PerceptualHashes, np.ndarray]:
    """Hashes of the pictures of rows, and per row None or why there is none."""
    has_pixels = pool["tar"].is_valid().to_numpy()
    places = image_places(pool.filter(pa.array(has_pixels)), recipe)
    pictures, faults = grey_pictures(places, available_cores())
    reasons = np.full(len(pool), NO_PIXELS, object)
    reasons[has_pixels] = faults
    all_pictures = np.zeros((len(pool), *pictures.shape[1:]), np.uint8)
    all_pictures[has_pixels] = pictures
    return perceptual_hashes(all_pictures), reasons


_MEANING = """DCT hashes of every picture and of its mirror image: 64 bits to search by, 256 to compare by.

    One row per row of raw_pool; NULL, with the reason, where the picture could not be decoded. Made only where a score
    reads it.
    """
