"""Target sets: the pictures of a folder, embedded once, that show what the training set is for."""

import hashlib
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from curation_assets.algorithms.vectors import from_binary, to_binary
from curation_assets.errors import RecipeError
from curation_assets.nodes import Graph
from curation_assets.recipe import Recipe
from curation_assets.tables import Key
from resources.clip import ClipEncoder
from resources.decode import ImageBytes
from resources.delta import Lake

from .batch import run_steps
from .catalogue import asset_spec, check_spec, most_frequent, reason_counts
from .checks import unit_norm
from .encoder import recorded_encoder
from .given import given_targets
from .project import Project
from .step import Made, Step

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


def target_assets(recipe: Recipe, graph: Graph) -> list[dg.AssetsDefinition]:
    """One asset per target set of the recipe."""
    return [
        (_given if target.path.endswith(".npy") else _target)(("targets", name), target.path, recipe, graph)
        for name, target in recipe.file.targets.items()
    ]


def _given(key: Key, path: str, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    @dg.multi_asset(name="__".join(key), specs=[asset_spec(graph[key], f"Vectors of the target set `{key[-1]}`, as given.")])
    def target(context: dg.AssetExecutionContext, lake: Lake):
        def make(step: Step) -> list[Made]:
            columns = given_targets(recipe.folder / path)
            draft = step.draft(key, columns, {"rows_made": len(columns["reason"])})
            return [Made(draft, {"vectors": draft.rows})]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return target


def _target(key: Key, path: str, recipe: Recipe, graph: Graph) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="__".join(key),
        specs=[asset_spec(graph[key], f"CLIP vectors of the pictures of the target set `{key[-1]}`.")],
        check_specs=[check_spec(key, "unit_norm", "every vector is finite and of L2 norm 1", graph)],
        pool="gpu",
    )
    def target(context: dg.AssetExecutionContext, lake: Lake, clip: dg.ResourceParam[ClipEncoder]):
        def make(step: Step) -> list[Made]:
            loaded, columns = recorded_encoder(step, clip), _pictures(recipe.folder / path)
            places = [ImageBytes(str(recipe.folder / path / name), 0, size) for name, size in columns.pop("sizes")]
            encoded = loaded.encode(places, [""] * len(places), context.log.info)
            is_measured = np.array([error is None for error in encoded.errors], bool)
            columns |= {
                "target_embedding": to_binary(encoded.image_embedding, "<f2", is_measured),
                "reason": pa.array(encoded.errors, pa.string()),
            }
            draft = step.draft(key, columns, {"rows_made": len(places)})
            reasons = most_frequent(reason_counts(encoded.errors))
            metadata = {"pictures": len(places), "not_embedded": reasons, "device": loaded.device}
            vectors = from_binary(draft.table["target_embedding"].drop_null(), "<f2")
            return [Made(draft, metadata, [unit_norm(key, {"target_embedding": vectors})])]

        yield from run_steps(context, Project(recipe, graph, lake), key, make)

    return target


def _pictures(folder: Path) -> dict[str, object]:
    """Columns of the pictures below a folder, in the order of their paths; `sizes` are the paths with their lengths.

    Raises:
        RecipeError: there is no such folder, or no picture in it.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        raise RecipeError(f"targets: no picture ({', '.join(sorted(_SUFFIXES))}) below {folder}; give a folder with some")
    names = [path.relative_to(folder) for path in paths]
    return {
        "target_file": pa.array([name.as_posix() for name in names]),
        "target_class": pa.array(["" if name.parent == Path() else name.parent.as_posix() for name in names]),
        "target_sha256": pa.array([hashlib.sha256(path.read_bytes()).digest() for path in paths]),
        "sizes": [(name.as_posix(), path.stat().st_size) for name, path in zip(names, paths, strict=True)],
    }
